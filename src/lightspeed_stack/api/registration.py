"""What a caller says of a server of tools to register it, and the rules for that.

They are narrower than those of the configuration: whoever may register a server is still not to have files of this
machine sent to it.
"""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from lightspeed_stack.api.values import Strict, Text, storable
from lightspeed_stack.config.section import Breach
from lightspeed_stack.config.tools import (
    HEADER_NAME,
    MAX_HEADERS,
    ApprovalRules,
    approval_of,
    refused_header,
    refused_to_pass_on,
)
from lightspeed_stack.domain.servers import HeaderSource, ToolServer

NAME = r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$"
"""Not dots alone: as part of a path they would lead elsewhere."""

MAX_NAME = 128
MAX_URL = 2048
MAX_TIMEOUT = 3600.0
"""Seconds."""

MAX_TOOLS = 1000
"""Names in a list of tools that are approved or need to be."""

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_LAST_LABEL = r"[0-9]{0,9}[A-Za-z]([A-Za-z0-9_-]{0,51}[A-Za-z0-9])?"  # with a letter: all else is read as a number
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = rf"(({_LABEL}\.)*{_LAST_LABEL}|({_OCTET}\.){{3}}{_OCTET})"
_PORT = r"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_REST = r"([/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?"
URL = rf"^https?://{_HOST}(:{_PORT})?{_REST}$"
"""Without user information and fragment. Source: RFC 3986. An address of IPv6 is taken as well."""

_URL_OF_IPV6 = rf"https?://\[(?P<host>[0-9A-Fa-f:.]+)\](:{_PORT})?{_REST}"


def _name(name: str) -> str:
    if len(name) > MAX_NAME or not re.fullmatch(NAME, name):
        raise ValueError(f"write 1 to {MAX_NAME} letters, digits, underscores, hyphens and dots, not dots alone")
    return name


def _url(url: str) -> str:
    if len(url) > MAX_URL:
        raise ValueError(f"the address is too long; write one of at most {MAX_URL} characters")
    if not url.startswith(("http://", "https://")):
        raise ValueError("the address has no scheme; write http:// or https:// before it")
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise ValueError("the address holds credentials; remove them, and name a header in authorization_headers")
    if "#" in url:
        raise ValueError("the address has a fragment; remove the # and what follows")
    if not re.fullmatch(URL, url) and not _is_of_ipv6(url):
        raise ValueError("this is not the address of a server; write it like https://tools.example:8443/mcp")
    return url


def _is_of_ipv6(url: str) -> bool:
    found = re.fullmatch(_URL_OF_IPV6, url)
    try:
        return found is not None and bool(ipaddress.IPv6Address(found["host"]))
    except ValueError:
        return False


def _sources(headers: dict[str, str]) -> dict[str, str]:
    faults = [fault for name in headers if (fault := _fault(name, refused_header(name)))]
    faults += [
        f"{name[:MAX_NAME]}: the value is none of the words for where to get it; write kubernetes, client or oauth "
        "(the path of a file is for the configuration alone)"
        for name, source in headers.items()
        if source not in HeaderSource
    ]
    return _without_faults(headers, faults)


def _names(headers: list[str]) -> list[str]:
    faults = [fault for name in headers if (fault := _fault(name, refused_to_pass_on(name)))]
    return _without_faults(headers, faults)


def _without_faults[T: (dict[str, str], list[str])](headers: T, faults: list[str]) -> T:
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"these are too many headers; write at most {MAX_HEADERS}")
    if faults:
        raise ValueError("; ".join(faults[:3]))
    return headers


def _fault(name: str, breach: Breach | None) -> str | None:
    return None if breach is None else f"{name[:MAX_NAME]}: {breach.message}; {breach.fix}"


_HEADER_SCHEMA = {"type": "string", "pattern": f"^{HEADER_NAME}$"}
_SOURCES_SCHEMA = {
    "type": "object",
    "maxProperties": MAX_HEADERS,
    "propertyNames": {"pattern": f"^{HEADER_NAME}$"},
    "additionalProperties": {"type": "string", "enum": [source.value for source in HeaderSource]},
}

type ToolName = Annotated[
    str, Field(max_length=MAX_NAME, json_schema_extra={"pattern": r"^[^\u0000]*$"}), AfterValidator(storable)
]


class ApprovalLists(ApprovalRules):
    """Tools that a human has to approve, and those that run without; where only these are given, no other does."""

    always: tuple[ToolName, ...] = Field((), max_length=MAX_TOOLS)
    never: tuple[ToolName, ...] = Field((), max_length=MAX_TOOLS)


class McpServerRegistrationRequest(Strict):
    """A server of tools that speaks the Model Context Protocol."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        json_schema_extra={"pattern": NAME, "minLength": 1, "maxLength": MAX_NAME}, examples=["weather"]
    )
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Where it answers; an address of IPv6 stands in brackets",
        json_schema_extra={"pattern": URL, "maxLength": MAX_URL},
        examples=["http://127.0.0.1:3000/mcp"],
    )
    provider_id: Text = Field("model-context-protocol", min_length=1, max_length=MAX_NAME)
    authorization_headers: Annotated[dict[str, str], AfterValidator(_sources), WithJsonSchema(_SOURCES_SCHEMA)] = Field(
        {},
        description="Headers to prove who asks: `kubernetes` for the caller's own token, `client` or `oauth` for what "
        "the caller sends in `MCP-HEADERS`",
        examples=[{"Authorization": "client"}],
    )
    headers: Annotated[
        list[str],
        AfterValidator(_names),
        WithJsonSchema({"type": "array", "items": _HEADER_SCHEMA, "maxItems": MAX_HEADERS}),
    ] = Field(
        [], description="Names of headers of a request that are passed on to the server", examples=[["x-rh-identity"]]
    )
    timeout: Annotated[float, Field(strict=True, gt=0, le=MAX_TIMEOUT)] | None = Field(
        None, description="Seconds that one call of a tool may take; null for the service's own limit"
    )
    require_approval: Literal["always", "never"] | ApprovalLists = Field(
        "never", description="Which tools a human has to approve; such a tool is not run: there is nobody to ask yet"
    )

    @field_validator("headers")
    @classmethod
    def _once_each(cls, headers: list[str]) -> list[str]:
        return list(dict.fromkeys(headers))

    def server(self) -> ToolServer:
        return ToolServer(
            name=self.name,
            url=self.url,
            provider_id=self.provider_id,
            authorization_headers=self._sources(),
            headers=tuple(self.headers),
            timeout=self.timeout,
            approval=approval_of(self.require_approval),
        )

    def _sources(self) -> Mapping[str, str]:
        return MappingProxyType(dict(self.authorization_headers))
