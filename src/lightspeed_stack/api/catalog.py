"""``/v1/models``, ``/v1/providers`` and ``/v1/shields``: what there is to answer with."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from lightspeed_stack.api.declared import BAD_VALUES, DENIED, NOT_THERE
from lightspeed_stack.api.deps import allowed, services_of
from lightspeed_stack.api.problems import json_response, shown
from lightspeed_stack.backends.catalog import Offer
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.errors import BackendError, BackendUnavailable
from lightspeed_stack.shields.base import Shield

router = APIRouter()

GET_PROVIDER = "get_provider_endpoint_handler_v1_providers__provider_id__get"

LINKS = {
    "GetProvider": {
        "operationId": GET_PROVIDER,
        "parameters": {"provider_id": "$response.body#/providers/inference/0/provider_id"},
    }
}


class ModelsResponse(BaseModel):
    models: list[dict[str, Any]]


class ProvidersListResponse(BaseModel):
    providers: dict[str, list[dict[str, Any]]]


class ProviderResponse(BaseModel):
    model_config = ConfigDict(extra="allow")

    api: str
    config: dict[str, bool | float | str | list[Any] | Any | None]
    health: dict[str, bool | float | str | list[Any] | Any | None]
    provider_id: str
    provider_type: str


class ShieldsResponse(BaseModel):
    shields: list[dict[str, Any]]


def not_listed(what: str, error: BackendError) -> Response:
    """The answer where a list could not be had. Raises the error where its server cannot be reached at all."""
    if isinstance(error, BackendUnavailable):
        raise error
    return json_response(500, {"detail": {"response": f"Unable to retrieve list of {what}", "cause": error.cause}})


@router.get(
    "/v1/models",
    operation_id="models_endpoint_handler_v1_models_get",
    tags=["models"],
    response_model=ModelsResponse,
    responses=DENIED,
)
async def models(request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_MODELS))]) -> Response:
    """List the models, in the order of the configuration and of each server."""
    try:
        found = await services_of(request).catalog.models()
    except BackendError as error:
        return not_listed("models", error)
    return json_response(200, {"models": [model_entry(offer) for offer in found]})


@router.get(
    "/v1/providers",
    operation_id="providers_endpoint_handler_v1_providers_get",
    tags=["providers"],
    response_model=ProvidersListResponse,
    responses={**DENIED, 200: {"links": LINKS}},
)
async def providers(request: Request, _: Annotated[Principal, Depends(allowed(Action.LIST_PROVIDERS))]) -> Response:
    """List the providers by API, in the order of the configuration and of the Llama Stack."""
    listed: dict[str, list[dict[str, str]]] = {}
    try:
        found = await services_of(request).providers.listed()
    except BackendError as error:
        return not_listed("providers", error)
    for it in found:
        told = {"provider_id": it.provider_id, "provider_type": it.provider_type}
        listed.setdefault(it.api, []).append(told)
    return json_response(200, {"providers": listed})


@router.get(
    "/v1/providers/{provider_id}",
    operation_id=GET_PROVIDER,
    tags=["providers"],
    response_model=ProviderResponse,
    responses={**DENIED, **NOT_THERE, **BAD_VALUES},
)
async def provider(
    request: Request, provider_id: str, _: Annotated[Principal, Depends(allowed(Action.GET_PROVIDER))]
) -> Response:
    """Show the first provider of that id, with its configuration, secrets masked, and how it is."""
    try:
        found = await services_of(request).providers.find(provider_id)
    except BackendError as error:
        return not_listed("providers", error)
    if found is None:
        return json_response(404, {"detail": {"response": f"Provider with id '{shown(provider_id)}' not found"}})
    told = {
        "api": found.api,
        "config": found.config,
        "health": {"status": found.health.status.value, "message": found.health.message},
        "provider_id": found.provider_id,
        "provider_type": found.provider_type,
    }
    return json_response(200, told)


@router.get(
    "/v1/shields",
    operation_id="shields_endpoint_handler_v1_shields_get",
    tags=["shields"],
    response_model=ShieldsResponse,
    responses=DENIED,
)
async def shields(request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_SHIELDS))]) -> Response:
    """List the shields, in the order of the Llama Stack."""
    source = services_of(request).shields
    try:
        found = () if source is None else await source.shields()
    except BackendError as error:
        return not_listed("shields", error)
    return json_response(200, {"shields": [shield_entry(shield) for shield in found]})


def model_entry(offer: Offer) -> dict[str, Any]:
    """A model in the shape of Llama Stack 0.2 (rest-api.md 4.2)."""
    model = offer.model
    metadata: dict[str, Any] = dict(model.metadata)
    if model.context_window is not None:
        metadata.setdefault("context_window", model.context_window)
    return {
        "identifier": offer.identifier,
        "metadata": metadata,
        "api_model_type": model.kind,
        "provider_id": offer.provider_id,
        "type": "model",
        "provider_resource_id": model.resource or model.name,
        "model_type": model.kind,
    }


def shield_entry(shield: Shield) -> dict[str, Any]:
    """A shield in the shape of Llama Stack 0.2 (rest-api.md 4.4)."""
    return {
        "identifier": shield.identifier,
        "provider_id": shield.provider_id,
        "type": "shield",
        "params": dict(shield.params),
        "provider_resource_id": shield.provider_resource_id,
    }
