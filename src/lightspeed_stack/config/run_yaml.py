"""What a configuration of Llama Stack or OGX (``run.yaml``) says, whichever release it was written for.

Above: ``run_yaml_checks`` and ``run_yaml_upgrade`` find fault with it, and ``doctor`` shows it. References to the
environment are replaced as the stack does; a variable that is not set is part of what the file says, not an error.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from lightspeed_stack.config.environment import Expansion, Unset, expand
from lightspeed_stack.config.source import Document, KeyPath

DEFAULT_PORT = 8321


class Generation(IntEnum):
    """The schemas that the file has had, oldest first."""

    OLD = 0
    """Llama Stack 0.2: stores in place, resources at the top."""
    MIDDLE = 1
    """Llama Stack 0.3 to 0.7: ``storage``, and what OGX dropped."""
    OGX = 2
    """OGX 1.0 and later. A file that Llama Stack 0.7 reads as well counts as this."""


NEW_KEYS = ("storage", "registered_resources", "distro_name", "connectors")
DROPPED_APIS = frozenset({"agents", "datasetio", "eval", "post_training", "safety", "scoring", "telemetry"})
DROPPED_KEYS = ("models", "shields", "vector_dbs", "datasets", "scoring_fns", "benchmarks", "safety", "telemetry")
DROPPED_RESOURCES = ("shields", "vector_dbs", "datasets", "scoring_fns", "benchmarks")


def generation_of(tree: Any) -> Generation:
    """Which schema a parsed file is written in, from its keys; the old one where nothing tells."""
    if not isinstance(tree, dict) or all(tree.get(key) is None for key in NEW_KEYS):
        return Generation.OLD
    apis = tree.get("apis") if isinstance(tree.get("apis"), list) else []
    providers = tree.get("providers") if isinstance(tree.get("providers"), dict) else {}
    resources = tree.get("registered_resources")
    dropped = (
        any(api in DROPPED_APIS for api in (*(apis or ()), *(providers or ())) if isinstance(api, str))
        or any(tree.get(key) for key in DROPPED_KEYS)
        or (isinstance(resources, dict) and any(resources.get(key) for key in DROPPED_RESOURCES))
        or tree.get("distro_name") is None
    )
    return Generation.MIDDLE if dropped else Generation.OGX


@dataclass(frozen=True, slots=True)
class Provider:
    """``id`` is what it is called where ``needs``, the variable that switches it on, is set; "" where nothing tells.

    ``config`` holds secrets.
    """

    api: str
    id: str
    type: str
    enabled: bool
    needs: str | None
    path: KeyPath
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the file registers; ``kind`` is ``llm``, ``embedding`` or ``rerank``."""

    id: str
    provider_id: str
    provider_model_id: str
    kind: str
    dimension: int | None
    enabled: bool
    path: KeyPath

    def identifier(self, generation: Generation) -> str:
        """What the stack is asked for."""
        return identifier_of(self.id, self.provider_id, self.provider_model_id, generation)


def identifier_of(model_id: str, provider_id: str, provider_model_id: str, generation: Generation) -> str:
    """The name that a model is registered under.

    Source: ``register_model`` in ``core/routing_tables/models.py`` of the releases.
    """
    if generation is Generation.OLD and model_id != provider_model_id:
        return model_id
    if generation is not Generation.OGX:
        return f"{provider_id}/{provider_model_id}"
    return model_id if model_id.startswith(f"{provider_id}/") else f"{provider_id}/{model_id}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A shield, a vector database or store, or a tool group; the last two fields are those of a store."""

    id: str
    provider_id: str
    enabled: bool
    path: KeyPath
    embedding_model: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is kept; ``where`` is a path, or host and database, or "" where the default counts."""

    kind: str
    where: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Server:
    port: int = DEFAULT_PORT
    auth: bool = False
    tls: bool = False
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class RunFile:
    """The whole file. ``apis`` is None where it has no list: then all are served.

    ``tree`` is what the stack sees, with references replaced; it holds secrets. Paths are those of the file.
    """

    generation: Generation
    name: str
    version: str
    apis: tuple[str, ...] | None
    providers: tuple[Provider, ...]
    models: tuple[Model, ...]
    shields: tuple[Resource, ...]
    stores: tuple[Resource, ...]
    tool_groups: tuple[Resource, ...]
    places: tuple[Place, ...]
    server: Server
    unset: tuple[Unset, ...]
    tree: Mapping[str, Any] = field(repr=False)
    document: Document = field(repr=False)

    def enabled(self, api: str) -> tuple[Provider, ...]:
        return tuple(provider for provider in self.providers if provider.api == api and provider.enabled)


def read_run_file(document: Document, environ: Mapping[str, str]) -> RunFile:
    """Understand a parsed file, whose root is a mapping. What has another shape than it should is left out."""
    items = _Items(document.value, expand(document.value, environ))
    tree = items.expansion.value
    generation = generation_of(document.value)
    name = tree.get("distro_name") or tree.get("image_name")
    apis = tree.get("apis")
    return RunFile(
        generation=generation,
        name=_text(name),
        version=_text(tree.get("version")),
        apis=tuple(map(_text, apis)) if isinstance(apis, list) else None,
        providers=tuple(_providers(items)),
        models=tuple(_models(items)),
        shields=tuple(_resources(items, "shields", "shield_id")),
        stores=(
            *_resources(items, "vector_dbs", "vector_db_id"),
            *_resources(items, "vector_stores", "vector_store_id"),
        ),
        tool_groups=tuple(_resources(items, "tool_groups", "toolgroup_id")),
        places=tuple(Place(it.kind, it.where, items.expansion.in_file(it.path)) for it in _places(tree, ())),
        server=_server(tree.get("server")),
        unset=tuple(items.expansion.unset),
        tree=tree,
        document=document,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """A mapping in a list: as it stands in the file, and as the stack sees it; None where it is dropped."""

    path: KeyPath
    raw: Mapping[Any, Any]
    value: Mapping[Any, Any] | None

    def text(self, key: str) -> str:
        """A value as text, or as the reference that stands there, where that needs a variable that is not set."""
        seen = None if self.value is None else self.value.get(key)
        return _text(self.raw.get(key)) if seen is None else _text(seen)

    @property
    def on(self) -> bool:
        """Whether its provider is on: every release leaves out what has no ``provider_id``."""
        return self.value is not None and bool(self.value.get("provider_id"))


class _Items:
    def __init__(self, tree: Mapping[str, Any], expansion: Expansion) -> None:
        self._tree = tree
        self.expansion = expansion

    def at(self, *path: str) -> Iterator[_Item]:
        """The mappings of the list at ``path``, those that the stack drops too."""
        raw, seen = below(self._tree, path), below(self.expansion.value, path)
        if not isinstance(raw, list) or not isinstance(seen, list):
            return
        kept = {index: place for place, index in enumerate(self.expansion.kept.get(path, range(len(raw))))}
        for index, item in enumerate(raw):
            if isinstance(item, dict):
                yield _Item((*path, index), item, seen[kept[index]] if index in kept else None)


def _providers(items: _Items) -> Iterator[Provider]:
    providers = items.expansion.value.get("providers")
    for api in providers if isinstance(providers, dict) else ():
        for item in items.at("providers", str(api)):
            id_, needs = conditional(item.raw.get("provider_id"))
            config = (item.raw if item.value is None else item.value).get("config")
            yield Provider(
                api=str(api),
                id=item.text("provider_id") if item.on else id_,
                type=item.text("provider_type"),
                enabled=item.on,
                needs=None if item.on else needs,
                path=item.path,
                config=config if isinstance(config, dict) else {},
            )


def _models(items: _Items) -> Iterator[Model]:
    for above in ((), ("registered_resources",)):
        for item in items.at(*above, "models"):
            metadata = (item.value or {}).get("metadata")
            dimension = metadata.get("embedding_dimension") if isinstance(metadata, dict) else None
            yield Model(
                id=item.text("model_id"),
                provider_id=_provider_id(item),
                provider_model_id=item.text("provider_model_id") or item.text("model_id"),
                kind=item.text("model_type") or "llm",
                dimension=dimension if isinstance(dimension, int) else None,
                enabled=item.on,
                path=item.path,
            )


def _resources(items: _Items, name: str, id_key: str) -> Iterator[Resource]:
    for above in ((), ("registered_resources",)):
        for item in items.at(*above, name):
            yield Resource(
                id=item.text(id_key),
                provider_id=_provider_id(item),
                enabled=item.on,
                path=item.path,
                embedding_model=item.text("embedding_model"),
                name=item.text("vector_store_name"),
            )


def _provider_id(item: _Item) -> str:
    return item.text("provider_id") if item.on else conditional(item.raw.get("provider_id"))[0]


_CONDITION = re.compile(r"\$\{env\.([A-Z0-9_]+):\+([^}]*)\}")


def conditional(id_: Any) -> tuple[str, str | None]:
    """An id and the variable that switches it on: ``${env.OLLAMA_URL:+ollama}`` is ollama, and needs OLLAMA_URL."""
    found = _CONDITION.fullmatch(id_) if isinstance(id_, str) else None
    return (found[2], found[1]) if found else (_text(id_), None)


STORE_TYPES = frozenset({"sqlite", "postgres", "redis", "mongodb"})
"""Values of ``type`` where a store is described in place, as up to 0.2."""
_BACKEND_TYPES = frozenset(f"{kind}_{type_}" for kind in ("kv", "sql") for type_ in STORE_TYPES)


def _places(tree: Any, path: KeyPath) -> Iterator[Place]:
    """Every store that is described somewhere in the tree, but for providers that are off."""
    if isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from _places(item, (*path, index))
    if not isinstance(tree, dict) or ("provider_type" in tree and not tree.get("provider_id")):
        return
    kind = tree.get("type")
    if isinstance(kind, str) and kind in STORE_TYPES | _BACKEND_TYPES:
        parts = [tree.get("db_path")] if tree.get("db_path") else [tree.get("host"), tree.get("db")]
        yield Place(kind, "/".join(_text(part) for part in parts if part), path)
        return
    for key, value in tree.items():
        yield from _places(value, (*path, str(key)))


def _server(section: Any) -> Server:
    if not isinstance(section, dict):
        return Server()
    port = section.get("port")
    return Server(
        port=port if isinstance(port, int) else DEFAULT_PORT,
        auth=bool(below(section, ("auth", "provider_config", "type"))),
        tls=bool(section.get("tls_certfile") and section.get("tls_keyfile")),
        insecure=section.get("insecure") is True,
    )


def below(tree: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path of keys, None where nothing does."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
