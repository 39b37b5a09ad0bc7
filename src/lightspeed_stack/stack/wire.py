"""The protocol of Llama Stack and OGX as values: bodies in, bodies out. No I/O here.

Source: answers of llama-stack 0.2.22 and 0.7.3 and of ogx 1.0.2 and 1.5.0, and OpenAI's API reference, whose vector
stores, moderations and embeddings they speak. Releases differ in names and omissions, so every field is optional here,
unknown ones are passed over, and an entry that lacks its id is left out. What cannot be read at all is BackendFailed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.stack.base import StackModel, StackProvider, StackShield, Store

type Scalar = str | int | float | bool

LONGEST_MESSAGE = 1_000
"""Characters of a provider's word on its health, and of a shield's refusal."""


class _Version(msgspec.Struct):
    version: str


class _Route(msgspec.Struct):
    route: str = ""
    method: str = ""


class _Model(msgspec.Struct):
    """``id`` and ``custom_metadata`` since 0.3, the other fields before."""

    id: str | None = None
    custom_metadata: dict[str, Any] | None = None
    identifier: str | None = None
    provider_id: str | None = None
    provider_resource_id: str | None = None
    model_type: str | None = None
    metadata: dict[str, Any] | None = None


class _Health(msgspec.Struct):
    status: str | None = None
    message: str | None = None


class _Provider(msgspec.Struct):
    api: str = ""
    provider_id: str = ""
    provider_type: str = ""
    config: dict[str, Any] | None = None
    health: _Health | None = None


class _Shield(msgspec.Struct):
    identifier: str = ""
    provider_id: str | None = None
    provider_resource_id: str | None = None
    params: dict[str, Any] | None = None


class _Database(msgspec.Struct):
    identifier: str = ""
    provider_id: str | None = None
    vector_db_name: str | None = None


class _Store(msgspec.Struct):
    id: str = ""
    name: str | None = None
    metadata: dict[str, Any] | None = None


class _List[E](msgspec.Struct):
    data: list[E]
    has_more: bool | None = None


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


def reader[T](type_: type[T], what: str) -> Callable[[bytes], T]:
    """A function from a body to a value; it raises BackendFailed, which names ``what``, for a body that is none."""
    decode = msgspec.json.Decoder(type_, strict=False).decode

    def read(body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(what) from error

    return read


def unreadable(what: str) -> BackendFailed:
    return BackendFailed(f"Llama Stack's {what} cannot be read.")


_version = reader(_Version, "version")
_routes = reader(_List[_Route], "list of routes")
_models = reader(_List[_Model], "list of models")
_providers = reader(_List[_Provider], "list of providers")
_shields = reader(_List[_Shield], "list of shields")
_databases = reader(_List[_Database], "list of vector databases")
_stores = reader(_List[_Store], "list of vector stores")
_vectors = reader(_List[_Vector], "list of embeddings")


def version(body: bytes) -> str:
    return _version(body).version


def routes(body: bytes) -> list[tuple[str, str]]:
    """Method and path of each."""
    return [(entry.method, entry.route) for entry in _routes(body).data]


def models(body: bytes) -> list[StackModel]:
    return [_model(entry, identifier) for entry in _models(body).data if (identifier := entry.identifier or entry.id)]


def _model(entry: _Model, identifier: str) -> StackModel:
    custom = dict(entry.custom_metadata or {})
    kind = entry.model_type or _text(custom.pop("model_type", None))
    prefix, slash, rest = identifier.partition("/")
    provider = entry.provider_id or _text(custom.pop("provider_id", None)) or (prefix if slash else "")
    resource = entry.provider_resource_id or _text(custom.pop("provider_resource_id", None)) or rest or identifier
    metadata = custom if entry.metadata is None else entry.metadata
    return StackModel(identifier, provider, resource, kind or "llm", scalars(metadata))


def providers(body: bytes) -> list[StackProvider]:
    return [
        StackProvider(it.api, it.provider_id, it.provider_type, it.config or {}, _health(it.health or _Health()))
        for it in _providers(body).data
        if it.provider_id
    ]


def _health(told: _Health) -> Health:
    """Only ``Error`` means that a provider is ill (rest-api.md 6.1); what is unknown counts as not told."""
    message = told.message[:LONGEST_MESSAGE] if told.message else None
    known = {HealthStatus.OK.value: HealthStatus.OK, HealthStatus.ERROR.value: HealthStatus.ERROR}
    return Health(known.get(told.status or "", HealthStatus.NOT_IMPLEMENTED), message)


def shields(body: bytes) -> list[StackShield]:
    return [
        StackShield(it.identifier, it.provider_id or "", it.provider_resource_id or "", it.params or {})
        for it in _shields(body).data
        if it.identifier
    ]


def databases(body: bytes) -> list[Store]:
    """What can be searched up to 0.2."""
    return [
        Store(it.identifier, it.vector_db_name or it.identifier, it.provider_id or "")
        for it in _databases(body).data
        if it.identifier
    ]


def stores(body: bytes) -> tuple[list[Store], bool]:
    """One page of what can be searched, and whether another follows."""
    page = _stores(body)
    found = [Store(it.id, it.name or it.id, _text((it.metadata or {}).get("provider_id"))) for it in page.data if it.id]
    return found, bool(page.has_more)


def embeddings(model: str, texts: Sequence[str]) -> bytes:
    """The body that asks for vectors."""
    return encoded({"model": model, "input": [plain(text) for text in texts], "encoding_format": "float"})


def vectors(body: bytes, number: int) -> list[list[float]]:
    """``number`` vectors, in the order of the texts."""
    told = _vectors(body).data
    if len(told) != number:
        raise unreadable("list of embeddings")
    return [vector.embedding for vector in sorted(told, key=lambda vector: vector.index or 0)]


def plain(text: str) -> str:
    """Text that is UTF-8: half a surrogate pair can be said in JSON, and is refused by who reads it."""
    return text.encode("utf-8", "replace").decode()


def encoded(body: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(body)


def scalars(told: Mapping[str, Any]) -> dict[str, Scalar]:
    """The entries that are text, numbers or truth values."""
    return {key: value for key, value in told.items() if isinstance(value, str | int | float | bool)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
