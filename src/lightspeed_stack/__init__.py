"""A self-hosted assistant that answers questions about a product, from its documentation, with sources.

What is listed in ``__all__`` is public; the rest may change. Names are resolved when they are first used, so that
importing the package costs nothing.
"""

from typing import TYPE_CHECKING

__version__ = "0.3.0"

if TYPE_CHECKING:
    from lightspeed_stack.api.app import create_app
    from lightspeed_stack.assistant.pipeline import Assistant
    from lightspeed_stack.config.load import load_config
    from lightspeed_stack.errors import AssistantError

__all__ = ["Assistant", "AssistantError", "__version__", "create_app", "load_config"]

_HOMES = {
    "Assistant": "lightspeed_stack.assistant.pipeline",
    "AssistantError": "lightspeed_stack.errors",
    "create_app": "lightspeed_stack.api.app",
    "load_config": "lightspeed_stack.config.load",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
