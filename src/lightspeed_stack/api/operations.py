"""What operators ask: information, configuration, health, metrics, and who they are."""

from contextlib import suppress
from typing import Annotated, Any

from anyio import move_on_after, to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from lightspeed_stack import __version__
from lightspeed_stack.api.declared import DENIED, FAILED
from lightspeed_stack.api.deps import Caller, allowed, caller, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.config.dump import as_json
from lightspeed_stack.config.tree import Config
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.errors import BackendError

router = APIRouter()

NO_STACK = "not used"
"""What stands for a version where there is no such part; clients need a string."""

LISTING_PATIENCE = 2.0
"""Seconds that a scrape waits for the providers' lists of models; Prometheus gives up after ten."""

type Info = Annotated[Principal, Depends(allowed(Action.INFO))]


class InfoResponse(BaseModel):
    name: str
    service_version: str
    llama_stack_version: str
    ogx_version: str


class ProviderHealthStatus(BaseModel):
    provider_id: str
    status: str
    message: str | None = None


class ReadinessResponse(BaseModel):
    ready: bool
    reason: str
    providers: list[ProviderHealthStatus]


class LivenessResponse(BaseModel):
    alive: bool


class AuthorizedResponse(BaseModel):
    user_id: str
    username: str
    skip_userid_check: bool


class Configuration(Config):
    """The configuration in use: flat, and the same once more below ``configuration``."""

    configuration: Config


async def prober(request: Request) -> None:
    """Admits who may have ``info``; everybody where ``authentication.skip_for_health_probes`` is set."""
    if not services_of(request).config.authentication.skip_for_health_probes:
        await allowed(Action.INFO)(request, await caller(request))


async def scraper(request: Request) -> None:
    """Admits who may have ``get_metrics``; everybody where ``authentication.skip_for_metrics`` is set."""
    if not services_of(request).config.authentication.skip_for_metrics:
        await allowed(Action.GET_METRICS)(request, await caller(request))


@router.get(
    "/v1/info",
    operation_id="info_endpoint_handler_v1_info_get",
    tags=["info"],
    response_model=InfoResponse,
    responses=DENIED,
)
async def info(request: Request, _: Info) -> Response:
    """Name and versions of the service."""
    services = services_of(request)
    stack = NO_STACK if services.stack is None else await services.stack.version()
    versions = {"service_version": __version__, "llama_stack_version": stack, "ogx_version": stack}
    return json_response(200, {"name": services.config.name, **versions})


@router.get(
    "/v1/config",
    operation_id="config_endpoint_handler_v1_config_get",
    tags=["config"],
    response_model=Configuration,
    responses={**DENIED, 503: FAILED[500]},
)
async def config(request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_CONFIG))]) -> Response:
    """The configuration in use, secrets masked; flat, and the same under ``configuration``."""
    tree = as_json(services_of(request).config)
    return json_response(200, {**tree, "configuration": tree})


@router.get(
    "/readiness",
    operation_id="readiness_probe_get_method_readiness_get",
    tags=["health"],
    response_model=ReadinessResponse,
    responses={**DENIED, 503: {"model": ReadinessResponse}},
)
@router.head("/readiness", include_in_schema=False)
@router.api_route("/v1/readiness", methods=["GET", "HEAD"], include_in_schema=False)
async def readiness(request: Request, _: Annotated[None, Depends(prober)]) -> Response:
    """Whether questions can be answered, and if not, which part is ill."""
    ill = await services_of(request).health.ill()
    if not ill:
        return json_response(200, {"ready": True, "reason": "All providers are healthy", "providers": []})
    parts = [
        {"provider_id": name, "status": HealthStatus.ERROR.value, "message": health.message}
        for name, health in ill.items()
    ]
    return json_response(
        503, {"ready": False, "reason": f"Providers not healthy: {', '.join(ill)}", "providers": parts}
    )


@router.get(
    "/liveness",
    operation_id="liveness_probe_get_method_liveness_get",
    tags=["health"],
    response_model=LivenessResponse,
    responses=DENIED,
)
@router.head("/liveness", include_in_schema=False)
@router.api_route("/v1/liveness", methods=["GET", "HEAD"], include_in_schema=False)
async def liveness(_: Annotated[None, Depends(prober)]) -> Response:
    """Whether the service runs."""
    return json_response(200, {"alive": True})


@router.post(
    "/authorized",
    operation_id="authorized_endpoint_handler_authorized_post",
    tags=["authorized"],
    response_model=AuthorizedResponse,
    responses={**DENIED, 413: FAILED[500]},
)
async def authorized(who: Caller) -> Response:
    """Who the caller is; never the token."""
    told: dict[str, Any] = {"user_id": who.user_id, "username": who.username}
    return json_response(200, {**told, "skip_userid_check": who.skip_user_id_check})


@router.get(
    "/metrics",
    operation_id="metrics_endpoint_handler_metrics_get",
    tags=["metrics"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **DENIED},
)
async def metrics(request: Request, _: Annotated[None, Depends(scraper)]) -> Response:
    """All metrics, in Prometheus' text format."""
    services = services_of(request)
    # A provider that is down or silent shows in readiness. The other metrics are right all the same, and its models are
    # shown as they were last seen.
    with move_on_after(LISTING_PATIENCE), suppress(BackendError):
        provider_id, default = services.catalog.default
        services.metrics.offer(
            (it.provider_id, it.identifier, (it.provider_id, it.model.name) == (provider_id, default))
            for it in await services.catalog.models()
            if it.model.kind == "llm"
        )
    body, content_type = await to_thread.run_sync(services.metrics.expose, request.headers.get("accept", ""))
    return Response(body, media_type=content_type)
