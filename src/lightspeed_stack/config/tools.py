"""Servers of tools."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, field_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.domain import servers as domain
from lightspeed_stack.domain.servers import HeaderSource

HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"
"""A header's name. Source: RFC 9110, section 5.6.2 (token)."""

MAX_HEADERS = 64
"""Headers that go to one server, and that a request or a registration may name for it."""

OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Lower-case names of the headers that the protocol itself sets: nobody else may."""


NO_SOURCE = (
    "this says not where the header's value comes from",
    "write kubernetes, client, oauth, or the path of a file with the value, as  /var/run/secrets/tools/token",
)


class ApprovalRules(Section):
    """Which of a server's tools a human has to approve. A tool in both lists has to be."""

    always: tuple[str, ...] = Field(default=(), description="Names of tools that a human has to approve.")
    never: tuple[str, ...] = Field(
        default=(), description="Names of tools that run without; where only this list is given, no other does."
    )


type Approval = Literal["always", "never"] | ApprovalRules


def approval_of(rule: Approval) -> domain.Approval:
    """A rule as it is applied."""
    match rule:
        case "always":
            return domain.Approval(others=True)
        case "never":
            return domain.Approval()
        case ApprovalRules():
            only_never = "never" in rule.model_fields_set and not rule.always
            return domain.Approval(frozenset(rule.always), frozenset(rule.never), others=only_never)


def _approval(given: Any) -> Any:
    if isinstance(given, str) and given not in {"always", "never"}:
        message = f"'{given}' is neither 'always' nor 'never'"
        raise RulesBroken(Breach(message, "write  require_approval: never  or  {always: [TOOL, …]}"))
    return given


class McpServerSection(Section):
    """A server of tools that speaks the Model Context Protocol."""

    name: str = Field(description="Name of the server.", examples=["filesystem"])
    provider_id: str = Field(default="model-context-protocol", description="Provider of the tools in Llama Stack.")
    url: str = Field(description="URL of the server.", examples=["http://localhost:3000/mcp"])
    authorization_headers: Mapping[str, str] = Field(
        default={},
        repr=False,
        description="Headers to prove who asks: the path of a file with the value, `kubernetes` for the caller's own "
        "token, `client` or `oauth` for what the caller sends in `MCP-HEADERS`.",
        examples=[{"Authorization": "/var/run/secrets/tools/token"}],
    )
    headers: tuple[str, ...] = Field(
        default=(),
        description="Names of headers of a request that are passed on to the server.",
        examples=[["x-rh-identity"]],
    )
    timeout: PositiveFloat | None = Field(
        default=None, description="Seconds that one call of a tool may take; null means `inference.tool_timeout`."
    )
    require_approval: Annotated[Approval, BeforeValidator(_approval)] = Field(
        default="never",
        description="Which tools a human has to approve: `always`, `never`, or lists of names under these words. "
        "Such a tool is not run: this version has nobody to ask.",
    )

    @field_validator("authorization_headers")
    @classmethod
    def _may_be_set(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        breaches = [breach for name in headers if (breach := refused_header(name)) is not None]
        breaches += [Breach(*NO_SOURCE, name) for name, value in headers.items() if not _is_a_source(value)]
        if breaches:
            raise RulesBroken(*breaches)
        return headers

    @field_validator("headers")
    @classmethod
    def _may_be_passed_on(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        breaches = [breach for at, name in enumerate(names) if (breach := refused_to_pass_on(name, str(at)))]
        if breaches:
            raise RulesBroken(*breaches)
        return names


def _is_a_source(value: str) -> bool:
    """Whether it says where a header's value comes from. What somebody wrote as the value itself may be a secret."""
    return value in set(HeaderSource) or value.startswith(("/", "./", "../")) or Path(value).is_file()


CALLERS_OWN = frozenset({"authorization", "cookie", "mcp-headers", "proxy-authorization"})
"""Lower-case names of headers with what proves who asks, here or at other servers: they are not passed on."""


def refused_to_pass_on(name: str, key: str | None = None) -> Breach | None:
    """Why a header of a request may not be passed on to a server; None where it may."""
    if name.lower() in CALLERS_OWN:
        fix = "remove it, and write  authorization_headers: {Authorization: kubernetes}  to send the caller's token"
        return Breach(f"{name} proves who asks, to this service and to others", fix, key or name)
    return refused_header(name, key)


def refused_header(name: str, key: str | None = None) -> Breach | None:
    """Why a header may not be sent to a server of tools; None where it may."""
    if not re.fullmatch(HEADER_NAME, name):
        return Breach("this is not the name of a header", "write a name such as  Authorization", key or name[:64])
    if name.lower() in OWN_HEADERS:
        return Breach(f"{name} is set by the protocol itself", "remove it", key or name)
    return None
