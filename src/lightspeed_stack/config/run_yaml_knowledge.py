"""The vector databases of ``byok_rag`` as entries of a Llama Stack configuration, in the schema that it is written in.

Up to 0.2 a database stands in ``vector_dbs``, and its provider says which file it uses. Since then it is a vector store
in ``registered_resources``, its provider names a backend, and ``storage`` says which file that is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightspeed_stack.config.data import ByokRagSection
from lightspeed_stack.config.load import refused
from lightspeed_stack.config.run_yaml import Generation, conditional, generation_of, identifier_of
from lightspeed_stack.config.run_yaml_faiss import DEFAULT_NAMESPACE, stored_index
from lightspeed_stack.config.source import Document, Problem
from lightspeed_stack.errors import ConfigurationError

_SENTENCE_TRANSFORMERS = "inline::sentence-transformers"
_KEPT_IN_ONE_FILE = frozenset({"inline::faiss"})
"""Types that keep vectors, chunks and the list of stores as keys and values of one SQLite file."""


def add_knowledge(document: Document, entries: Sequence[ByokRagSection], file: Path) -> None:
    """Add the databases to the tree. One whose id is there already is replaced in its place, later ones of it dropped.

    References to the environment are left as they are. Raises ConfigurationError where ``file``, from which the
    document is, has no place for them.
    """
    target = _Target(document, file)
    if generation_of(target.tree) is Generation.OLD:
        _add_databases(target, entries)
    else:
        _add_stores(target, entries)


class _Target:
    """The tree to add to, which is a mapping with ``providers``."""

    def __init__(self, document: Document, file: Path) -> None:
        self._document = document
        self._file = file
        if not isinstance(document.value, dict):
            raise self.unusable("", "the file is not a mapping", "name a Llama Stack configuration with -i")
        self.tree: dict[str, Any] = document.value
        if not isinstance(self.tree.get("providers"), dict):
            fix = "add  providers: {}  or name a complete Llama Stack configuration with -i"
            raise self.unusable("providers", "Field required, a mapping", fix)

    def list_at(self, key: str) -> list[Any]:
        """The list under a dotted key, made where there is none."""
        above, _, name = key.rpartition(".")
        mapping = self.mapping_at(above)
        if mapping.get(name) is None:
            mapping[name] = []
        found = mapping[name]
        if not isinstance(found, list):
            raise self.unusable(key, "Input should be a valid list", f"write  {name}: []")
        return found

    def mapping_at(self, key: str) -> dict[str, Any]:
        """The mapping under a dotted key, made where there is none; the tree itself for an empty one."""
        mapping = self.tree
        for name in filter(None, key.split(".")):
            if mapping.get(name) is None:
                mapping[name] = {}
            if not isinstance(mapping[name], dict):
                raise self.unusable(key, "Input should be a valid dictionary", f"write  {name}: {{}}")
            mapping = mapping[name]
        return mapping

    def unusable(self, key: str, message: str, fix: str) -> ConfigurationError:
        line = self._document.line(tuple(key.split(".")))
        return refused(self._file, [Problem(message, fix, line, key)])


def _add_databases(target: _Target, entries: Sequence[ByokRagSection]) -> None:
    """As the reference does: configuration.md 5."""
    databases, providers = target.list_at("vector_dbs"), target.list_at("providers.vector_io")
    for entry in entries:
        provider_id = f"byok_{entry.vector_db_id}"
        database = {
            "vector_db_id": entry.vector_db_id,
            "provider_id": provider_id,
            "embedding_model": entry.embedding_model,
            "embedding_dimension": entry.embedding_dimension,
        }
        store = {"db_path": f".llama/{entry.vector_db_id}.db", "namespace": None, "type": "sqlite"}
        provider = {"provider_id": provider_id, "provider_type": entry.rag_type, "config": {"kvstore": store}}
        _put(databases, database, "vector_db_id")
        _put(providers, provider, "provider_id")


def _add_stores(target: _Target, entries: Sequence[ByokRagSection]) -> None:
    """In the form of Llama Stack 0.7 and OGX, over the operator's own files."""
    at_the_top = [key for key in ("models", "shields", "vector_dbs") if target.tree.get(key)]
    if at_the_top and target.tree.get("registered_resources") is None:
        message = "only Llama Stack 0.3 reads this beside storage, and nothing is generated for it"
        raise target.unusable(at_the_top[0], message, f"move it to  registered_resources.{at_the_top[0]}")
    if not isinstance(target.tree.get("storage"), dict) or not target.tree["storage"].get("backends"):
        # The stack's own backends are there only as long as the file names none.
        fix = "add kv_default, of type kv_sqlite, and sql_default, of type sql_sqlite, each with its db_path"
        raise target.unusable("storage.backends", "Field required, a mapping", fix)
    backends = target.mapping_at("storage.backends")
    models = target.list_at("registered_resources.models")
    stores = target.list_at("registered_resources.vector_stores")
    providers = target.list_at("providers.vector_io")
    for entry in entries:
        provider_id = f"byok_{entry.vector_db_id}"
        backend = f"{provider_id}_storage" if entry.rag_type in _KEPT_IN_ONE_FILE else _kv_backend(target, backends)
        model, registration = _embedding_model(target, models, entry)
        if registration is not None:
            models.append(registration)
        store = {
            "vector_store_id": entry.vector_db_id,
            "vector_store_name": entry.rag_id,
            "provider_id": provider_id,
            "embedding_model": model,
            "embedding_dimension": entry.embedding_dimension,
        }
        config = _provider_config(target, entry, backend)
        provider = {"provider_id": provider_id, "provider_type": entry.rag_type, "config": config}
        if entry.rag_type in _KEPT_IN_ONE_FILE:
            backends[backend] = {"type": "kv_sqlite", "db_path": str(entry.db_path)}
        _put(stores, store, "vector_store_id")
        _put(providers, provider, "provider_id")
    # Without a list all APIs are served; with one, stores are registered only where vector_io is in it.
    if target.tree.get("apis") is not None and "vector_io" not in target.list_at("apis"):
        target.list_at("apis").append("vector_io")


def _kv_backend(target: _Target, backends: dict[str, Any]) -> str:
    """A key/value backend of the file itself, ``kv_default`` before others."""
    kinds = {name: backend.get("type") for name, backend in backends.items() if isinstance(backend, dict)}
    names = sorted((name for name, kind in kinds.items() if str(kind).startswith("kv_")), key="kv_default".__ne__)
    if not names:
        fix = "add kv_default, of type kv_sqlite, with its db_path"
        raise target.unusable("storage.backends", "there is no backend of type kv_sqlite", fix)
    return str(names[0])


def _provider_config(target: _Target, entry: ByokRagSection, backend: str) -> dict[str, Any]:
    if entry.rag_type not in _KEPT_IN_ONE_FILE:
        # These keep vectors in a file of their own form, and note elsewhere which stores it has.
        namespace = f"vector_io::byok_{entry.vector_db_id}"
        return {"db_path": str(entry.db_path), "persistence": {"namespace": namespace, "backend": backend}}
    index = stored_index(entry.db_path, entry.vector_db_id)
    if index is not None and index.old:
        message = f"'{entry.db_path}' holds chunks of Llama Stack 0.2, with which a later one does not start"
        raise target.unusable("", message, "build it anew from the documents, or keep to Llama Stack 0.2")
    return {"persistence": {"namespace": DEFAULT_NAMESPACE if index is None else index.namespace, "backend": backend}}


def _embedding_model(target: _Target, models: list[Any], entry: ByokRagSection) -> tuple[str, dict[str, Any] | None]:
    """What the stack knows the entry's model by, and its registration where the file has none.

    A registration under a name of its own would not do: up to 0.7 the stack ignores ``model_id``, OGX ignores
    ``provider_model_id``, and a second one of the same name with another model behind stops the start.
    """
    generation, wanted = generation_of(target.tree), entry.embedding_model
    for model in models:
        if not isinstance(model, dict) or model.get("model_type") != "embedding":
            continue
        id_ = str(model.get("model_id"))
        in_provider = str(model.get("provider_model_id") or id_)
        identifier = identifier_of(id_, conditional(model.get("provider_id"))[0], in_provider, generation)
        if wanted in {identifier, id_, in_provider}:
            return identifier, None
    provider_id, provider, in_provider = _embedding_provider(target, wanted)
    identifier = f"{provider}/{in_provider}"
    registration = {
        "model_id": identifier,
        "provider_id": provider_id,
        "provider_model_id": in_provider,
        "model_type": "embedding",
        "metadata": {"embedding_dimension": entry.embedding_dimension},
    }
    return identifier, registration


def _embedding_provider(target: _Target, model: str) -> tuple[str, str, str]:
    """The provider of a model as it stands in the file, its id, and the model's name with it.

    It is the one that the name begins with, or else the one that loads models into the stack's own process.
    """
    providers = [it for it in target.list_at("providers.inference") if isinstance(it, dict) and it.get("provider_id")]
    raw = {conditional(it["provider_id"])[0]: str(it["provider_id"]) for it in providers}
    first, _, rest = model.partition("/")
    if rest and first in raw:
        return raw[first], first, rest
    for provider in providers:
        if provider.get("provider_type") == _SENTENCE_TRANSFORMERS:
            id_ = conditional(provider["provider_id"])[0]
            return raw[id_], id_, model
    fix = f"add a provider of type {_SENTENCE_TRANSFORMERS}, or name the model in byok_rag as PROVIDER/MODEL"
    raise target.unusable("providers.inference", f"no provider serves the embedding model '{model}'", fix)


def _put(items: list[Any], entry: dict[str, Any], id_key: str) -> None:
    """Replace the first item of the same id and drop the others; append where there is none."""
    same = [place for place, item in enumerate(items) if isinstance(item, dict) and item.get(id_key) == entry[id_key]]
    if not same:
        items.append(entry)
        return
    items[same[0]] = entry
    for place in reversed(same[1:]):
        del items[place]
