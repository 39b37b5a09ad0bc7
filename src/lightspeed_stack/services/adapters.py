"""Adapters found by file name: the value in the configuration names the file (``openai`` → ``backends/openai.py``).

A package outside ours joins by an entry point of the group ``lightspeed_stack.<room>``. Adapters are imported nowhere
else.
"""

import importlib
import importlib.util
import re
from types import ModuleType

from lightspeed_stack.config.section import Room, Section
from lightspeed_stack.errors import ConfigurationError


def adapter(room: Room, name: str) -> ModuleType | None:
    """The module of an adapter, which has ``build``; None where there is none of that name."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        return None
    path = f"lightspeed_stack.{room}.{name.replace('-', '_')}"
    module = importlib.import_module(path) if importlib.util.find_spec(path) else _foreign(room, name)
    return module if module is not None and hasattr(module, "build") else None


def required(room: Room, name: str, *, key: str) -> ModuleType:
    """As ``adapter``; raises ConfigurationError, naming the configuration key, where there is none."""
    module = adapter(room, name)
    if module is None:
        raise ConfigurationError(f"{key}: '{name}' is not available in this installation\n    fix: see docs/reference")
    return module


def adapter_settings(room: Room, name: str) -> type[Section] | None:
    """The class that checks ``extra`` of an entry of this type, for ``load_config``."""
    module = adapter(room, name)
    settings: type[Section] | None = getattr(module, "Settings", None)
    return settings


def _foreign(room: str, name: str) -> ModuleType | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=f"lightspeed_stack.{room}", name=name):
        loaded = point.load()
        if isinstance(loaded, ModuleType):
            return loaded
    return None
