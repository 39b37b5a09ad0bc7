"""The OpenAPI document: FastAPI's, with the component names that generated clients of the reference know.

Above: ``app`` makes a ``SelfDescribing``, ``scripts/generate_openapi_schema.py`` writes it to ``docs/openapi.json``.
"""

from threading import Lock
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from lightspeed_stack.api.problems import json_response

router = APIRouter()

NAMES = {
    "AuthenticationSection": "AuthenticationConfiguration",
    "AuthorizationSection": "AuthorizationConfiguration",
    "ByokRagSection": "ByokRag",
    "Config": "ConfigurationTree",
    "ConversationCacheSection": "ConversationCacheConfiguration",
    "CorsSection": "CORSConfiguration",
    "CustomizationSection": "Customization",
    "DatabaseSection": "DatabaseConfiguration",
    "InferenceSection": "InferenceConfiguration",
    "JwkSection": "JwkConfiguration",
    "JwtSection": "JwtConfiguration",
    "LlamaStackSection": "LlamaStackConfiguration",
    "McpServerSection": "ModelContextProtocolServer",
    "MemoryCacheSection": "InMemoryCacheConfig",
    "PostgresSection": "PostgreSQLDatabaseConfiguration",
    "RagChunk": "RAGChunk",
    "RoleRule": "JwtRoleRule",
    "ServiceSection": "ServiceConfiguration",
    "SqliteSection": "SQLiteDatabaseConfiguration",
    "TlsSection": "TLSConfiguration",
    "UserDataSection": "UserDataCollection",
}
"""Our class → the reference's. Other sections of the configuration, which it does not have, are named alike."""

_REF = "#/components/schemas/"


class SelfDescribing(FastAPI):
    """An application whose document is made when first asked for: it costs a start a tenth of a second."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._describing = Lock()

    def openapi(self) -> dict[str, Any]:
        with self._describing:
            if self.openapi_schema is None:
                self.openapi_schema = renamed(super().openapi())
            return self.openapi_schema


# A plain function: the framework runs it in a thread, so that no stream waits for the document.
@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    return json_response(200, request.app.openapi())


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every component under its public name, in the order of those."""
    schemas = document["components"]["schemas"]
    schemas = {public_name(name): schema for name, schema in schemas.items()}
    components = {**document["components"], "schemas": dict(sorted(schemas.items()))}
    whole: dict[str, Any] = _referring({**document, "components": components})
    return whole


def public_name(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    return name.removesuffix("Section") + "Configuration" if name.endswith("Section") else name


def _referring(value: Any) -> Any:
    match value:
        case {"$ref": str(target)} if target.startswith(_REF):
            return {**value, "$ref": _REF + public_name(target.removeprefix(_REF))}
        case dict():
            # Secrets stand in answers only, masked; "writeOnly" would promise that they do not.
            return {key: _referring(item) for key, item in value.items() if key != "writeOnly"}
        case list():
            return [_referring(item) for item in value]
    return value
