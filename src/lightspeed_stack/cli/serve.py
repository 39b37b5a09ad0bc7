"""Serving: load, prepare what takes long once, bind, run."""

import errno
import logging
import os
import socket
import ssl
from pathlib import Path

import uvicorn

from lightspeed_stack.api.app import CONFIG_PATH, VERBOSE, create_app
from lightspeed_stack.config.load import load_config
from lightspeed_stack.config.service import TlsSection
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.services.adapters import adapter, adapter_settings
from lightspeed_stack.telemetry import logs

log = logging.getLogger(__name__)

START_FAILED = 3
"""Exit code of a start that failed after the configuration was read (configuration.md 6)."""

BACKLOG = 2048
SHUTDOWN_GRACE = 10
"""Seconds that requests have to end when the service is stopped."""


def load(config_file: Path) -> Config:
    """Load a configuration for this installation's adapters. Raises ConfigurationError."""
    return load_config(config_file, settings_of=adapter_settings)


def serve(config: Config, config_file: Path, *, verbose: bool) -> int:
    """Serve until stopped; the exit code.

    Raises ConfigurationError, or another AssistantError when something that must be there cannot be had.
    """
    service = config.service
    logs.configure(verbose=verbose, colour=service.color_log, access=service.access_log)
    _check_tls(service.tls_config)
    _prepare(config)
    listeners = _bind(service.host, service.port)
    os.environ[CONFIG_PATH] = str(config_file)
    if verbose:
        os.environ[VERBOSE] = "1"
    workers = service.workers
    tls = service.tls_config
    server_config = uvicorn.Config(
        "lightspeed_stack.cli.workers:application" if workers > 1 else create_app(config),
        factory=workers > 1,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=service.access_log,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_GRACE,
        ssl_certfile=tls.tls_certificate_path,
        ssl_keyfile=tls.tls_key_path,
        ssl_keyfile_password=_password(tls.tls_key_password),
    )
    scheme = "https" if tls.tls_certificate_path else "http"
    log.info("serving %s at %s://%s:%d/", config.name, scheme, service.host, service.port)
    if workers > 1:
        from lightspeed_stack.cli.workers import supervise

        return supervise(server_config, listeners)
    server = uvicorn.Server(server_config)
    server.run(sockets=listeners)
    return 0 if server.started else START_FAILED


def _prepare(config: Config) -> None:
    """Let backends fetch what they need before anything is served, with a progress bar; once for all workers."""
    for section in config.inference.providers:
        module = adapter("backends", section.type)
        if module is not None and hasattr(module, "prepare"):
            module.prepare(section.settings)


def _bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address of ``host``: ``localhost`` has one of each internet protocol.

    Raises ConfigurationError that names the key to change.
    """
    listeners: list[socket.socket] = []
    reason = "no such address on this machine"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            try:
                _listen(listener, address)
            except OSError as error:
                listener.close()
                if error.errno != errno.EADDRNOTAVAIL:  # a machine without IPv6 may know its names
                    raise
            else:
                listeners.append(listener)
    except OSError as error:
        for listener in listeners:
            listener.close()
        listeners.clear()
        reason = error.strerror or str(error)
    if not listeners:
        raise ConfigurationError(
            f"service.port: cannot listen on {host}:{port}: {reason}\n"
            "    fix: stop the program that uses the port, or choose another  service: {port: …}"
        )
    return listeners


def _listen(listener: socket.socket, address: tuple[object, ...]) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address)
    listener.listen(BACKLOG)  # who comes while we start waits, and is not refused
    listener.set_inheritable(True)


def _check_tls(tls: TlsSection) -> None:
    """Try the certificate before anything is started. Raises ConfigurationError that names the key to change."""
    certificate = tls.tls_certificate_path
    if certificate is None:
        return
    try:
        # An empty password in place of none: OpenSSL would ask for it on the terminal.
        password = _password(tls.tls_key_password) or ""
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, tls.tls_key_path, password)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"service.tls_config: the certificate or its key cannot be used: {error.strerror or error}\n"
            "    fix: name a PEM certificate and the key that belongs to it, and for a protected key tls_key_password"
        ) from error


def _password(path: Path | None) -> str | None:
    """The content of a password file, without the line end."""
    return path.read_text("utf-8").rstrip("\r\n") if path is not None else None
