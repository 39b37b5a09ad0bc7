"""The 24 documented operations of the reference and ours, each with a request that the service accepts."""

from dataclasses import dataclass
from typing import Any

from tests.blackbox.stand import UNKNOWN, Answer, Stand

type Json = dict[str, Any]

FEEDBACK: Json = {"conversation_id": UNKNOWN, "user_question": "q", "llm_response": "r", "sentiment": 1}
TOOLS: Json = {"name": "weather", "url": "http://127.0.0.1:9/mcp"}
TOPIC: Json = {"topic_summary": "New"}


@dataclass(frozen=True, slots=True)
class Operation:
    """``action`` is the member's name that a 403 tells, None where no action is needed; ``status`` what is answered."""

    method: str
    path: str
    action: str | None
    body: Json | None = None
    status: int = 200
    authenticated: bool = True

    async def call(self, stand: Stand, **query: Any) -> Answer:
        return await stand.call(self.method, self.url, self.body, **query)

    @property
    def url(self) -> str:
        return self.path.format(conversation_id=UNKNOWN, provider_id="fake", name="nothing")


_V1, _V2 = "/v1/conversations/{conversation_id}", "/v2/conversations/{conversation_id}"

OPERATIONS = {
    f"{it.method} {it.path}": it
    for it in (
        Operation("GET", "/", "INFO"),
        Operation("GET", "/v1/info", "INFO"),
        Operation("GET", "/v1/models", "GET_MODELS"),
        Operation("GET", "/v1/tools", "GET_TOOLS"),
        Operation("GET", "/v1/shields", "GET_SHIELDS"),
        Operation("GET", "/v1/providers", "LIST_PROVIDERS"),
        Operation("GET", "/v1/providers/{provider_id}", "GET_PROVIDER"),
        Operation("POST", "/v1/query", "QUERY", {"query": "?"}),
        Operation("POST", "/v1/streaming_query", "STREAMING_QUERY", {"query": "?"}),
        Operation("GET", "/v1/config", "GET_CONFIG"),
        Operation("POST", "/v1/feedback", "FEEDBACK", FEEDBACK),
        Operation("GET", "/v1/feedback/status", None, authenticated=False),
        Operation("PUT", "/v1/feedback/status", "ADMIN", {"status": True}),
        Operation("GET", "/v1/conversations", "LIST_CONVERSATIONS"),
        Operation("GET", _V1, "GET_CONVERSATION", status=403),
        Operation("DELETE", _V1, "DELETE_CONVERSATION", status=403),
        Operation("GET", "/v2/conversations", "LIST_CONVERSATIONS"),
        Operation("GET", _V2, "GET_CONVERSATION", status=404),
        Operation("DELETE", _V2, "DELETE_CONVERSATION", status=404),
        Operation("PUT", _V2, "UPDATE_CONVERSATION", TOPIC, status=404),
        Operation("GET", "/readiness", "INFO"),
        Operation("GET", "/liveness", "INFO"),
        Operation("POST", "/authorized", None),
        Operation("GET", "/metrics", "GET_METRICS"),
    )
}

OURS = {
    f"{it.method} {it.path}": it
    for it in (
        Operation("GET", "/v1/mcp-servers", "LIST_MCP_SERVERS"),
        Operation("POST", "/v1/mcp-servers", "REGISTER_MCP_SERVER", TOOLS, status=201),
        Operation("DELETE", "/v1/mcp-servers/{name}", "DELETE_MCP_SERVER", status=404),
        Operation("GET", "/v1/mcp-auth/client-options", "GET_TOOLS"),
    )
}
