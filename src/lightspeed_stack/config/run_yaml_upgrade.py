"""What must change in a configuration of Llama Stack or OGX (``run.yaml``) before a later release takes it.

The stacks refuse what they cannot do without, and pass over keys that they do not know: both are told.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lightspeed_stack.config.run_yaml import STORE_TYPES, Generation, Provider, RunFile, below
from lightspeed_stack.config.run_yaml_checks import Remark
from lightspeed_stack.config.run_yaml_releases import GONE, RENAMED, REQUIRED, ROUTED, Release

_IGNORED = "is passed over without a word"


def changes(run: RunFile, release: Release) -> tuple[Remark, ...]:
    """Everything in the file that ``release`` refuses, passes over or takes otherwise, in the order of the file."""
    found = [
        *_apis(run, release),
        *(remark for provider in run.providers for remark in _provider(provider, release)),
        *_keys(run, release),
        *_models(run, release),
        *_stored(run, release),
        *_server(run, release),
    ]
    return tuple(sorted(found, key=lambda remark: run.document.line(remark.path)))


_NOT_NEEDED = {
    "agents": ": lightspeed-stack has turns of its own",
    "safety": ", with its shields: nothing takes its place",
    "telemetry": ": lightspeed-stack has metrics of its own",
}


def _apis(run: RunFile, release: Release) -> Iterator[Remark]:
    for index, api in enumerate(run.apis or ()):
        path = ("apis", index)
        if api not in release.apis | release.served:
            yield Remark(path, f"there is no API '{api}'", "remove it", stops=True)
        elif not (release.skips_unserved or api in release.served | ROUTED or run.enabled(api)):
            yield Remark(path, f"no provider serves the API '{api}'", "remove it", stops=True)
    for api in dict.fromkeys(provider.api for provider in run.providers):
        if api not in release.apis:
            fix = f"remove it{_NOT_NEEDED.get(api, '')}"
            yield Remark(("providers", api), f"there is no API '{api}'", fix, stops=True)


def _provider(provider: Provider, release: Release) -> Iterator[Remark]:
    if provider.api not in release.apis:
        return  # told once, for all its providers
    gone = GONE.get((provider.api, provider.type))
    if gone is not None and gone.since <= release.version:
        path, message = (*provider.path, "provider_type"), f"there is no '{provider.type}'"
        yield Remark(path, message, gone.instead, stops=provider.enabled)
    elif release.generation is not Generation.OLD:
        yield from _address(provider)
        yield from _kept_in(provider, release)


def _address(provider: Provider) -> Iterator[Remark]:
    """The key that says where a model server is; without it the provider asks the one of its maker."""
    renamed = RENAMED.get((provider.api, provider.type))
    if renamed is None or renamed.old not in provider.config:
        return
    value = str(provider.config[renamed.old]).rstrip("/")
    ends = not renamed.ends_in or value.endswith(renamed.ends_in)
    path = (*provider.path, "config", renamed.old)
    if renamed.new not in provider.config:
        also = "" if ends else f", with a value that ends in {renamed.ends_in}"
        yield Remark(path, _IGNORED, f"call it  {renamed.new}{also}")
    elif renamed.new == renamed.old and not ends:
        yield Remark(path, f"must end in {renamed.ends_in} now", f"put {renamed.ends_in} behind it")


def _kept_in(provider: Provider, release: Release) -> Iterator[Remark]:
    """The keys that say where a provider keeps what it has to keep."""
    required = REQUIRED.get((provider.api, provider.type))
    needed = required.key if required is not None and required.since <= release.version else ""
    given = set()
    for key, value in provider.config.items():
        now = _now_called(provider.api, str(key), release)
        given.add(now)
        path = (*provider.path, "config", str(key))
        if _is_store(value):
            backend = f"{provider.id}_store"
            moved = f"storage.backends.{backend}  with  type: {_kind(now)}_{value['type']}"
            fix = f"move it to  {moved},  and write  {now}: {_reference(provider, now, backend)}"
            stops = provider.enabled and now in {key, needed}
            yield Remark(path, "stores are not described in place any more", fix, stops=stops)
        elif now != key:
            yield Remark(path, _IGNORED, f"call it  {now}", stops=provider.enabled and now == needed)
    if needed and needed not in given:
        fix = f"add  {needed}: {_reference(provider, needed, f'{_kind(needed)}_default')}"
        yield Remark((*provider.path, "config"), f"'{needed}' is missing", fix, stops=provider.enabled)


def _now_called(api: str, key: str, release: Release) -> str:
    if key == "kvstore" and api == "vector_io":
        return "persistence"
    if key == "kvstore" and api == "batches" and release.generation is Generation.OGX:
        return "sqlstore"
    return key


def _is_store(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in STORE_TYPES


def _kind(key: str) -> str:
    return "sql" if key in {"sqlstore", "metadata_store"} else "kv"


def _reference(provider: Provider, key: str, backend: str) -> str:
    """Where the provider keeps something, in the words of the distributions."""
    if key == "persistence" and provider.api == "responses":
        return "{responses: {table_name: responses, backend: sql_default}}"
    if _kind(key) == "sql":
        table = "files_metadata" if key == "metadata_store" else provider.api
        return f"{{table_name: {table}, backend: {backend}}}"
    return f"{{namespace: '{provider.api}::{provider.type.rpartition('::')[2]}', backend: {backend}}}"


_RESOURCES = "registered_resources."
_NO_LONGER = "remove it: nothing takes its place"
_BY_THEMSELVES = "remove it: tool groups register themselves, and lightspeed-stack has tools of its own"
_MOVED: Mapping[str, str] = {
    "metadata_store": "move it to  storage.backends.kv_default  with  type: kv_sqlite,  and write  "
    "storage.stores.metadata: {namespace: registry, backend: kv_default}",
    "inference_store": "move it to  storage.backends.sql_default  with  type: sql_sqlite,  and write  "
    "storage.stores.inference: {table_name: inference_store, backend: sql_default}",
    "models": "move it to  registered_resources.models",
    "shields": "move it to  registered_resources.shields",
    "vector_dbs": "move it to  registered_resources.vector_stores,  and call vector_db_id there  vector_store_id",
    "datasets": "move it to  registered_resources.datasets",
    "scoring_fns": "move it to  registered_resources.scoring_fns",
    "benchmarks": "move it to  registered_resources.benchmarks",
    "tool_groups": _BY_THEMSELVES,
    "telemetry": _NO_LONGER,
    f"{_RESOURCES}vector_dbs": "call it  vector_stores,  and vector_db_id there  vector_store_id",
    f"{_RESOURCES}tool_groups": _BY_THEMSELVES,
}
"""Keys that Llama Stack 0.7 and OGX pass over, and what to do with their values."""

_DROPPED_BY_OGX = (
    "safety",
    *("shields", "datasets", "scoring_fns", "benchmarks"),
    *(f"{_RESOURCES}{name}" for name in ("shields", "datasets", "scoring_fns", "benchmarks")),
    *("server.quota", "server.cors"),
)


def _keys(run: RunFile, release: Release) -> Iterator[Remark]:
    if release.generation is Generation.OLD:
        return
    dropped = dict.fromkeys(_DROPPED_BY_OGX if release.generation is Generation.OGX else (), _NO_LONGER)
    for key, fix in {**_MOVED, **dropped}.items():
        path = tuple(key.split("."))
        if below(run.tree, path):
            yield Remark(path, _IGNORED, fix)
    if run.tree.get("image_name") is not None and run.tree.get("distro_name") is None:
        yield Remark(("image_name",), "is an old name, which still works", "call it  distro_name")


def _models(run: RunFile, release: Release) -> Iterator[Remark]:
    for model in run.models:
        before, after = model.identifier(run.generation), model.identifier(release.generation)
        if model.enabled and before != after:
            fix = "name it so where it is used, as in shields and vector stores"
            yield Remark((*model.path, "model_id"), f"is registered as '{after}', so far as '{before}'", fix)


def _stored(run: RunFile, release: Release) -> Iterator[Remark]:
    """What was stored by the release before, and is not found again."""
    faiss = [provider for provider in run.enabled("vector_io") if provider.type == "inline::faiss"]
    if run.generation is Generation.OLD and release.generation is not Generation.OLD:
        for provider in faiss:
            fix = "give it a new file, and put the documents in again"
            yield Remark(provider.path, "a later release does not start with what 0.2 stored here", fix)
    if run.generation is Generation.MIDDLE and release.generation is Generation.OGX:
        references = {(*provider.path, "config", "persistence"): provider.config for provider in faiss}
        for path, config in references.items():
            yield from _namespace(run, path, config.get("persistence"))
        yield from _namespace(
            run, ("storage", "stores", "metadata"), below(run.tree, ("storage", "stores", "metadata"))
        )


def _namespace(run: RunFile, path: tuple[str | int, ...], reference: Any) -> Iterator[Remark]:
    """OGX puts a namespace before the keys of SQLite; Llama Stack was told one, and did not."""
    if not isinstance(reference, dict) or not reference.get("namespace"):
        return
    if below(run.tree, ("storage", "backends", str(reference.get("backend")), "type")) == "kv_sqlite":
        message = "OGX does not find what Llama Stack stored here, which was without the namespace"
        yield Remark((*path, "namespace"), message, "write  namespace: ''  to go on with it")


def _server(run: RunFile, release: Release) -> Iterator[Remark]:
    if release.needs_tls and not (run.server.tls or run.server.insecure):
        fix = "start it with --insecure, or name server.tls_certfile and server.tls_keyfile"
        yield Remark(("server",), "without TLS it starts only when it is told to", fix, stops=True)
