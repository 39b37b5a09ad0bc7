"""The application: middleware, lifespan, and every router of this folder."""

import importlib
import os
import pkgutil
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from lightspeed_stack import __version__, api
from lightspeed_stack.api import problems
from lightspeed_stack.api.lifespan import PlainStartFailure, lifespan
from lightspeed_stack.api.middleware import Counting, Guard
from lightspeed_stack.api.openapi import SelfDescribing
from lightspeed_stack.api.short_way import ShortWay
from lightspeed_stack.config.load import load_config
from lightspeed_stack.config.tree import Config
from lightspeed_stack.services.adapters import adapter_settings
from lightspeed_stack.telemetry import logs
from lightspeed_stack.telemetry.metrics import Metrics

CONFIG_PATH = "LIGHTSPEED_STACK_CONFIG_PATH"
"""The environment variable by which worker processes find the configuration file."""

VERBOSE = "LIGHTSPEED_STACK_VERBOSE"


def create_app(config: Config) -> FastAPI:
    """An ASGI application that serves ``config``; everything is opened when the server starts it."""
    metrics = Metrics()
    app = SelfDescribing(
        title=f"{config.name} service - OpenAPI",
        version=__version__,
        license_info={"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"},
        servers=[{"url": "http://localhost:8080/"}],
        lifespan=lifespan(config, metrics),
        redirect_slashes=False,
    )
    problems.install(app)
    # Not include_router: it brings a router's prefixes and dependencies, which ours do not use, into every request.
    # Routes are tried in order, so ours come before the framework's own.
    app.router.routes[:0] = [route for router in _routers() for route in router.routes]
    # The last one added is the outermost.
    app.add_middleware(ShortWay, routes=app.router.routes)
    app.add_middleware(Guard, max_body_size=config.service.max_body_size)
    app.add_middleware(Counting, metrics=metrics)
    cors = config.service.cors
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors.allow_origins,
        allow_credentials=cors.allow_credentials,
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
    )
    app.add_middleware(PlainStartFailure)
    return app


def create_app_from_environment() -> FastAPI:
    """The application of one worker process; its configuration file is named by LIGHTSPEED_STACK_CONFIG_PATH."""
    config = load_config(Path(os.environ[CONFIG_PATH]), settings_of=adapter_settings)
    service = config.service
    logs.configure(verbose=bool(os.environ.get(VERBOSE)), colour=service.color_log, access=service.access_log)
    return create_app(config)


def _routers() -> list[APIRouter]:
    """The ``router`` of every module of this folder that has one, by name; questions first, which come most."""
    found = {module.name for module in pkgutil.iter_modules(api.__path__)} - {"app"}
    names = sorted(found, key=lambda name: (name != "query", name))
    modules = [importlib.import_module(f"{api.__name__}.{name}") for name in names]
    return [module.router for module in modules if hasattr(module, "router")]
