"""``/v1/models`` and ``/v1/providers``: what there is to answer with."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from lightspeed_stack.api.declared import DENIED, FAILED
from lightspeed_stack.api.deps import allowed, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.backends.base import Model
from lightspeed_stack.backends.catalog import Provider
from lightspeed_stack.domain.identity import Action, Principal

router = APIRouter()


class ModelsResponse(BaseModel):
    models: list[dict[str, Any]]


class ProvidersListResponse(BaseModel):
    providers: dict[str, list[dict[str, Any]]]


@router.get(
    "/v1/models",
    operation_id="models_endpoint_handler_v1_models_get",
    tags=["models"],
    response_model=ModelsResponse,
    responses={**DENIED, 500: FAILED[500]},
)
async def models(request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_MODELS))]) -> Response:
    """List the models, in the order of the configuration and of each server."""
    found = await services_of(request).catalog.models()
    return json_response(200, {"models": [model_entry(provider, model) for provider, model in found]})


@router.get(
    "/v1/providers",
    operation_id="providers_endpoint_handler_v1_providers_get",
    tags=["providers"],
    response_model=ProvidersListResponse,
    responses={**DENIED, 500: FAILED[500]},
)
async def providers(request: Request, _: Annotated[Principal, Depends(allowed(Action.LIST_PROVIDERS))]) -> Response:
    """List the providers by API, in the order of the configuration."""
    services = services_of(request)
    listed = {
        "inference": [
            {"provider_id": provider.id, "provider_type": provider.backend.provider_type}
            for provider in services.catalog.providers
        ]
    }
    if services.config.rag.stores:
        listed["vector_io"] = [
            {"provider_id": store.name, "provider_type": "inline::sqlite"} for store in services.config.rag.stores
        ]
    return json_response(200, {"providers": listed})


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
