"""What the stack says, in our log: its warnings and errors, without what it was asked.

Releases bring a module ``log`` that takes over the root logger and structlog as soon as it is imported (up to 0.3), or
when it is used. Ours takes its place before anything of the stack is imported, so nothing of that ever runs.

Its loggers put prompts, answers and providers' refusals into their messages. So a record comes out with the words that
stand in the stack's own source, as ``Model refresh failed``, with the kind of the exception, and with a few fields
that name parts of the configuration; everything else is left out. ``OGX_LOGGING`` and its like have no effect.
"""

import ast
import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from pydantic import BaseModel, Field

TOPS = ("ogx", "ogx_api", "llama_stack", "llama_stack_api")
"""The packages that its loggers are named after."""

LITELLM = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
"""Loggers of a library that llama-stack 0.2 uses, each with a handler of its own."""

NAMES_OF_PARTS = ("api", "impl_name", "module", "provider_id", "provider_type")
"""Fields of a record whose values come from the configuration or the source."""

METHODS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "log"})
NO_NEWS = (
    "Failed to import module",  # of providers that nobody has configured
    "Model refresh task cancelled",  # at every shutdown, as the next
    "No shutdown method for",
    "No span found for token usage metrics",  # up to 0.3: its telemetry is left out
)
"""What the stack warns of when all is as it should be; the beginnings."""

LONGEST_FIELD = 100
WITHHELD = "…"


class StackLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger for all releases: they call it as the standard library's, or as structlog's."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        passed = {name: kwargs[name] for name in ("exc_info", "stack_info", "stacklevel") if name in kwargs}
        parts = {name: kwargs[name] for name in NAMES_OF_PARTS if kwargs.get(name)}
        return msg, {**passed, "extra": {"parts": parts}}

    def bind(self, **_: Any) -> Self:
        return self


class LoggingConfig(BaseModel):
    """A part of the stack's own configuration file, which is read and has no effect."""

    category_levels: dict[str, str] = Field(default_factory=dict)


def relay_stack(package: str) -> None:
    """Have all that a stack's package logs come out through the root logger's handlers, from now on.

    To be called before anything of the package is imported.
    """
    sys.modules.setdefault(f"{package}.log", _stand_in(package))
    for name in TOPS:
        _relay_logger(name)


def relay_libraries() -> None:
    """The same for a library that writes to the terminal by itself; to be called when a stack has imported it."""
    litellm = sys.modules.get("litellm")
    if litellm is not None:
        litellm.suppress_debug_info = True  # type: ignore[attr-defined] # it would print advice when a provider fails
        for name in LITELLM:
            _relay_logger(name)


def _relay_logger(name: str) -> None:
    logger = logging.getLogger(name)
    logger.handlers[:] = [_Relay(logging.WARNING)]
    logger.propagate = False


def _stand_in(package: str) -> ModuleType:
    """A module with the names that the rest of a release imports from its ``log``."""

    def get_logger(name: str, category: str = "", config: Any = None) -> StackLogger:
        below = name if name.partition(".")[0] in TOPS else f"{package}.{name}"
        return StackLogger(logging.getLogger(below), {})

    def setup_logging(*_: Any, **__: Any) -> None:
        """Logging is ours to set up."""

    def parse_yaml_config(*_: Any, **__: Any) -> dict[str, int]:
        return {}

    module = ModuleType(f"{package}.log", "Stands in for the stack's own module: lightspeed_stack.stack.library_logs.")
    vars(module).update(
        get_logger=get_logger,
        setup_logging=setup_logging,
        parse_yaml_config=parse_yaml_config,
        LoggingConfig=LoggingConfig,
    )
    return module


class _Relay(logging.Handler):
    """Hands a record to the root logger's handlers, reduced to what may be shown."""

    def emit(self, record: logging.LogRecord) -> None:
        words = literal_words(record.pathname, record.lineno)
        if words.startswith(NO_NEWS):
            return
        parts = [f"{name}={str(value)[:LONGEST_FIELD]}" for name, value in getattr(record, "parts", {}).items()]
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None:
            parts.append(kind.__name__)
        text = f"{words or WITHHELD} ({', '.join(parts)})" if parts else words or WITHHELD
        shown = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)
        logging.getLogger().handle(shown)


@lru_cache(maxsize=512)
def literal_words(path: str, line: int) -> str:
    """What a call of a logger says at a line of a source file, with ``…`` for all that it puts in; empty if unknown."""
    for call in _calls(path):
        if call.lineno <= line <= (call.end_lineno or call.lineno):
            return _literal(call.args[0]).strip()
    return ""


@lru_cache(maxsize=64)
def _calls(path: str) -> tuple[ast.Call, ...]:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
    )


def _literal(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_literal, values))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _literal(left) + _literal(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _literal(left)
    return WITHHELD
