"""``/v1/models``, ``/v1/providers`` and ``/v1/shields``: what there is to answer with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from lightspeed_stack.api.declared import BAD_VALUES, DENIED, NOT_THERE
from lightspeed_stack.api.deps import allowed, services_of
from lightspeed_stack.api.problems import json_response, shown
from lightspeed_stack.backends.base import Model
from lightspeed_stack.backends.catalog import Provider
from lightspeed_stack.config.dump import as_json
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.errors import BackendError, BackendUnavailable
from lightspeed_stack.services import Services
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One provider in the list of all. ``part`` is its name in the health check."""

    api: str
    provider_id: str
    provider_type: str
    part: str


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
    except BackendUnavailable:
        raise
    except BackendError as error:
        detail = {"response": "Unable to retrieve list of models", "cause": error.cause}
        return json_response(500, {"detail": detail})
    return json_response(200, {"models": [model_entry(provider, model) for provider, model in found]})


@router.get(
    "/v1/providers",
    operation_id="providers_endpoint_handler_v1_providers_get",
    tags=["providers"],
    response_model=ProvidersListResponse,
    responses={**DENIED, 200: {"links": LINKS}},
)
async def providers(request: Request, _: Annotated[Principal, Depends(allowed(Action.LIST_PROVIDERS))]) -> Response:
    """List the providers by API, in the order of the configuration."""
    listed: dict[str, list[dict[str, str]]] = {}
    for entry in entries(services_of(request)):
        told = {"provider_id": entry.provider_id, "provider_type": entry.provider_type}
        listed.setdefault(entry.api, []).append(told)
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
    services = services_of(request)
    found = next((entry for entry in entries(services) if entry.provider_id == provider_id), None)
    if found is None:
        return json_response(404, {"detail": {"response": f"Provider with id '{shown(provider_id)}' not found"}})
    health = (await services.health.ill()).get(found.part, Health.ok())
    told = {
        "api": found.api,
        "config": settings_of(services, found),
        "health": {"status": health.status.value, "message": health.message},
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
    """List the shields, in the order of the configuration."""
    return json_response(200, {"shields": [shield_entry(shield) for shield in services_of(request).shields]})


def entries(services: Services) -> Iterator[Entry]:
    """All providers: those that answer, then the stores of knowledge; each in the order of the configuration."""
    for it in services.catalog.providers:
        yield Entry("inference", it.id, it.backend.provider_type, part=it.id)
    for store in services.config.rag.stores:
        yield Entry("vector_io", store.name, "inline::sqlite", part="knowledge")


def settings_of(services: Services, entry: Entry) -> dict[str, Any]:
    """The part of the configuration that an entry comes from, secrets masked."""
    tree = as_json(services.config)
    sections = tree["inference"]["providers"] if entry.api == "inference" else tree["rag"]["stores"]
    named = "id" if entry.api == "inference" else "name"
    found: dict[str, Any] = next((it for it in sections if it[named] == entry.provider_id), {})
    return found


def model_entry(provider: Provider, model: Model) -> dict[str, Any]:
    """A model in the shape of Llama Stack 0.2 (rest-api.md 4.2)."""
    metadata: dict[str, Any] = dict(model.metadata)
    if model.context_window is not None:
        metadata.setdefault("context_window", model.context_window)
    return {
        "identifier": f"{provider.id}/{model.name}",
        "metadata": metadata,
        "api_model_type": model.kind,
        "provider_id": provider.id,
        "type": "model",
        "provider_resource_id": model.name,
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
