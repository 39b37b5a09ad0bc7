"""The pool of connections to one MCP server, and the loggers of the libraries that use it."""

import logging
import socket
import ssl
from urllib.request import getproxies, proxy_bypass

import httpx2

from lightspeed_stack.tools.mcp_values import McpLimits

LOGGERS = ("mcp", "client", "httpx2", "httpcore2")
"""``client`` is what the SDK's session calls its own."""

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

KEEP_ALIVE = 120.0
"""Seconds that an unused connection is kept."""

PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
"""Where there are such: a stream for notices may be silent for ever, so the system must see that a peer is gone."""


def silence() -> None:
    """The libraries log addresses, headers, arguments and results; what matters of it we log ourselves."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


def open_pool(url: str, limits: McpLimits) -> httpx2.AsyncHTTPTransport:
    """Reads certificates from files, so not to be called in an event loop. Raises ValueError for what is no address."""
    address = httpx2.URL(url)
    return httpx2.AsyncHTTPTransport(
        # A context without certificates where there is nothing to check: the usual one takes a while to read them.
        verify=ssl.create_default_context() if address.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx2.Limits(
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_connections,
            keepalive_expiry=KEEP_ALIVE,
        ),
        proxy=_proxy(address),
        socket_options=_socket_options(),
    )


def _proxy(address: httpx2.URL) -> str | None:
    """The environment's proxy on the way to a server; never to this machine itself."""
    if address.host in LOCAL or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    return proxies.get(address.scheme) or proxies.get("all")


def _socket_options() -> list[tuple[int, int, int]]:
    probes = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in PROBES if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]
