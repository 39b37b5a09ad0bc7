"""Listening: address, workers, logs, TLS, browsers of other origins."""

from typing import Self

from pydantic import Field, FilePath, model_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import Port, PosInt


class TlsSection(Section):
    """Certificate and key of the listening socket; all null means plain HTTP."""

    tls_certificate_path: FilePath | None = Field(
        default=None, description="PEM file with the certificate.", examples=["/etc/tls/tls.crt"]
    )
    tls_key_path: FilePath | None = Field(
        default=None, description="PEM file with the private key.", examples=["/etc/tls/tls.key"]
    )
    tls_key_password: FilePath | None = Field(
        default=None, description="File whose content is the private key's password.", examples=["/etc/tls/password"]
    )


class CorsSection(Section):
    """Which pages of other origins may call the service."""

    allow_origins: tuple[str, ...] = Field(
        default=("*",), description="Origins that may call the service; `*` for all."
    )
    allow_credentials: bool = Field(
        default=False, description="Whether browsers may send credentials; not together with the origin `*`."
    )
    allow_methods: tuple[str, ...] = Field(default=("*",), description="HTTP methods that are allowed; `*` for all.")
    allow_headers: tuple[str, ...] = Field(default=("*",), description="Request headers that are allowed; `*` for all.")

    @model_validator(mode="after")
    def _no_credentials_for_everyone(self) -> Self:
        if self.allow_credentials and "*" in self.allow_origins:
            raise RulesBroken(
                Breach(
                    "Invalid CORS configuration: allow_credentials can not be set to true when allow origins contains "
                    "the '*' wildcard. Use explicit origins or disable credentials.",
                    'write  allow_origins: ["https://console.example.com"]  or  allow_credentials: false',
                    "allow_credentials",
                )
            )
        return self


class ServiceSection(Section):
    """Where and how the service listens."""

    host: str = Field(default="localhost", description="Address to listen on.", examples=["0.0.0.0"])  # noqa: S104 - an example
    port: Port = Field(default=8080, description="TCP port to listen on, 1 to 65535.")
    auth_enabled: bool = Field(default=False, description="Accepted for old files; has no effect.")
    workers: PosInt = Field(default=1, description="Worker processes.")
    color_log: bool = Field(default=True, description="Whether log lines are coloured.")
    access_log: bool = Field(default=True, description="Whether each request is logged.")
    tls_config: TlsSection = Field(default_factory=TlsSection, description="Certificate and key.")
    cors: CorsSection = Field(default_factory=CorsSection, description="Pages of other origins.")
    max_body_size: PosInt = Field(default=4194304, description="Largest request body, in bytes.")
