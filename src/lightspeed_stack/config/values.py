"""Kinds of values that several sections use."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, GetPydanticSchema
from pydantic_core import core_schema

from lightspeed_stack.config.section import Breach, RulesBroken

PosInt = Annotated[int, Field(gt=0)]
NonEmpty = Annotated[str, Field(min_length=1)]


def _port(value: int) -> int:
    if value > 65535:
        raise RulesBroken(Breach("Port value should be less than 65536", "write a port from 1 to 65535"))
    return value


Port = Annotated[int, Field(gt=0), AfterValidator(_port)]

# A plain string in Python, checked and written out as pydantic's AnyHttpUrl: a bare host gets its closing slash.
HttpUrl = Annotated[
    str,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_after_validator_function(
            str,
            core_schema.url_schema(allowed_schemes=["http", "https"]),
            serialization=core_schema.to_string_ser_schema(),
        )
    ),
]


def no_scheme(url: str, key: str = "") -> Breach:
    """The breach of a URL without ``http://``; what stands before an ``@`` may be a password and is not shown."""
    if "@" in url or not url.isprintable():
        return Breach("the URL has no scheme", "write http:// or https:// before it", key)
    host = url.lstrip("/") or "localhost:8321"
    return Breach(f"'{url}' has no scheme", f"write  url: http://{host}", key)


def _base_url(value: str) -> str:
    """An ``http`` or ``https`` URL without credentials, query or fragment, and without trailing slashes."""
    if "://" not in value:
        raise RulesBroken(no_scheme(value))
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise RulesBroken(Breach("Input should be a valid URL", "write it as  url: http://host:8000/v1")) from None
    if parts.scheme not in {"http", "https"}:
        raise RulesBroken(Breach("URL scheme should be 'http' or 'https'", "write it as  url: http://host:8000/v1"))
    if "@" in parts.netloc:
        raise RulesBroken(
            Breach("the URL holds credentials", "take them out of the URL; api_key is the place for a key")
        )
    if not has_host or parts.query or parts.fragment or any(sign.isspace() for sign in value):
        raise RulesBroken(Breach("Input should be a valid URL", "write it as  url: http://host:8000/v1"))
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]


def check_file(path: str | Path, what: str, key: str = "") -> None:
    """Raises RulesBroken unless ``path`` is a regular file that this process may read; ``what`` names its purpose."""
    if not Path(path).is_file():
        raise RulesBroken(Breach(f"{what} '{path}' is not a file", "create the file or correct the path", key))
    if not os.access(path, os.R_OK, effective_ids=True):
        raise RulesBroken(Breach(f"{what} '{path}' is not readable", "let the service's user read the file", key))
