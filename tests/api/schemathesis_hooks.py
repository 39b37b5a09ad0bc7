"""What schemathesis has to know of us: a stream and the page are texts, and what it names should be there or not."""

from typing import Any

import schemathesis


@schemathesis.deserializer("text/event-stream", "text/html")
def text(_context: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:
    return response.content.decode("utf-8")


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """What no schema can say: registered servers are where nothing is, shields are known, a model has its provider."""
    body = case.body
    if not isinstance(body, dict):
        return
    if str(body.get("url")).startswith("http"):
        body["url"] = "http://127.0.0.1:1/mcp"
    named = body.get("shield_ids")
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        body["shield_ids"] = []
    pair = body.get("provider") or None, body.get("model") or None
    if any(isinstance(name, str) for name in pair) and None in pair:
        body["provider"] = body["model"] = None
