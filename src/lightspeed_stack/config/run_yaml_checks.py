"""What is wrong in a configuration of Llama Stack or OGX (``run.yaml``), whichever release reads it, and its traps.

Source of the traps: the releases themselves; docs/howto/check-a-run-yaml.md tells them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lightspeed_stack.config.run_yaml import Generation, Resource, RunFile
from lightspeed_stack.config.source import KeyPath


@dataclass(frozen=True, slots=True)
class Remark:
    """Something at ``path`` of the file, and what to do about it. ``stops``: a stack does not start with it."""

    path: KeyPath
    message: str
    fix: str
    stops: bool = False


def faults(run: RunFile) -> tuple[Remark, ...]:
    """Everything that does not fit together, and what does not do what it seems to, in the order of the file."""
    found = [*_unset(run), *_twice(run), *_backends(run), *_registrations(run), *_stores(run), *_traps(run)]
    return tuple(sorted(found, key=lambda remark: run.document.line(remark.path)))


def _unset(run: RunFile) -> Iterator[Remark]:
    for reference in run.unset:
        fix = f"set {reference.name} where the stack runs, or write a default:  ${{env.{reference.name}:=default}}"
        yield Remark(reference.path, f"the environment variable {reference.name} is not set", fix, stops=True)


def _twice(run: RunFile) -> Iterator[Remark]:
    first: set[tuple[str, str]] = set()
    for provider in run.providers:
        if provider.enabled and (provider.api, provider.id) in first:
            message = f"the id '{provider.id}' is given twice in {provider.api}: the last one counts"
            yield Remark((*provider.path, "provider_id"), message, "remove one of the two, or call it otherwise")
        if provider.enabled:
            first.add((provider.api, provider.id))


def _backends(run: RunFile) -> Iterator[Remark]:
    """References to a backend that ``storage`` does not have."""
    storage = run.tree.get("storage")
    backends = storage.get("backends") if isinstance(storage, dict) else None
    if not isinstance(backends, dict) or not backends:
        return
    stores = storage.get("stores") if isinstance(storage, dict) else None
    named = [
        (("storage", "stores"), stores),
        *(((*it.path, "config"), it.config) for it in run.providers if it.enabled),
    ]
    for above, tree in named:
        for path, name in _references(tree, above):
            if name not in backends:
                fix = f"add it there, or write one of: {', '.join(map(str, backends))}"
                yield Remark(path, f"storage.backends has no '{name}'", fix, stops=True)


def _references(tree: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(tree, dict):
        return
    if isinstance(tree.get("backend"), str) and ("namespace" in tree or "table_name" in tree):
        yield (*path, "backend"), tree["backend"]
    for key, value in tree.items():
        yield from _references(value, (*path, str(key)))


def _registrations(run: RunFile) -> Iterator[Remark]:
    """Models, shields and stores whose provider is not there, and models without what they must say."""
    kinds: tuple[tuple[str, str, tuple[Resource, ...]], ...] = (
        ("safety", "shield", run.shields),
        ("vector_io", "store", run.stores),
    )
    named = [
        *(("inference", "model", it.id, it.provider_id, it.enabled, it.path) for it in run.models),
        *((api, kind, it.id, it.provider_id, it.enabled, it.path) for api, kind, all_ in kinds for it in all_),
    ]
    for api, kind, id_, provider_id, enabled, path in named:
        providers = {provider.id: provider.enabled for provider in run.providers if provider.api == api}
        if not provider_id:
            yield Remark(path, f"the {kind} '{id_}' is left out: it names no provider", "add  provider_id")
        elif enabled and provider_id != "all" and not providers.get(provider_id):
            state = "is off" if provider_id in providers else "is not there"
            known = ", ".join(name for name, on in providers.items() if on) or "none"
            fix = f"write one of providers.{api}: {known}"
            yield Remark((*path, "provider_id"), f"the provider '{provider_id}' {state}", fix, stops=True)
    for model in run.models:
        if model.enabled and model.kind == "embedding" and model.dimension is None:
            fix = "add  metadata: {embedding_dimension: 768},  or whatever it is"
            yield Remark(model.path, f"the embedding model '{model.id}' has no dimension", fix, stops=True)


def _stores(run: RunFile) -> Iterator[Remark]:
    known = {model.identifier(run.generation) for model in run.models if model.kind == "embedding"}
    for store in run.stores:
        if store.enabled and store.embedding_model not in known:
            message = f"'{store.embedding_model}' is not registered: it must be a model that its provider lists itself"
            fix = f"register it, or write one of: {', '.join(sorted(known)) or 'none are registered'}"
            yield Remark((*store.path, "embedding_model"), message, fix)
        if store.enabled and run.generation is Generation.OLD:
            message = f"0.2.22 does not keep the id '{store.id}': each start makes one more store, an empty one"
            yield Remark(store.path, message, "upgrade to OGX, which keeps it, or make the store over the API")


_OPENAI = "https://api.openai.com/v1"


def _traps(run: RunFile) -> Iterator[Remark]:
    for provider in run.providers:
        if not provider.enabled:
            continue
        path = (*provider.path, "provider_type")
        match provider.api, provider.type:
            case "inference", "remote::openai" if run.generation is Generation.OLD and run.enabled("vector_io"):
                if str(provider.config.get("base_url") or _OPENAI).rstrip("/") != _OPENAI:
                    fix = "set OPENAI_BASE_URL to the same address where the stack runs"
                    message = "0.2.22 does not use it to embed what vector databases search for"
                    yield Remark((*provider.path, "config", "base_url"), message, fix)
            case "inference", "inline::sentence-transformers":
                message = "needs torch, and fetches its model when it is first used"
                yield Remark(path, message, "install torch and sentence-transformers, or embed with a model server")
            case "vector_io", "inline::sqlite-vec" | "inline::sqlite_vec":
                fix = "if the start fails, write  provider_type: inline::faiss"
                yield Remark(path, "needs a Python whose SQLite loads extensions, which many do not", fix)
            case "file_processors", "inline::auto":
                fix = "write  provider_type: inline::pypdf,  or install markitdown[all]"
                yield Remark(path, "without markitdown its workers are started again for ever", fix)
            case _:
                pass
