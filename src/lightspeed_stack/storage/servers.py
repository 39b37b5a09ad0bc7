"""Servers of tools that callers registered: one row each, for all workers and replicas."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, select

from lightspeed_stack.domain.servers import Approval, ToolServer
from lightspeed_stack.storage.base import MAX_PAGE
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.statements import Ours
from lightspeed_stack.storage.tables import lightspeed_tool_server
from lightspeed_stack.storage.writer import Writer

log = logging.getLogger(__name__)

_COLUMNS = lightspeed_tool_server.c

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_sources = msgspec.json.Decoder(dict[str, str]).decode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_approval = msgspec.json.Decoder(Approval).decode


class SqlToolServers:
    """Implements ``storage.base.ServerStore``; it gives MAX_PAGE servers at most."""

    def __init__(self, database: Database, writer: Writer, write: Ours) -> None:
        self._database = database
        self._writer = writer
        self._write = write

    async def servers(self) -> tuple[ToolServer, ...]:
        """See ServerStore."""
        return await self._database.read(_servers)

    async def add(self, server: ToolServer) -> bool:
        """See ServerStore. Of several calls at once, here and elsewhere, one stores it.

        The writer cannot say which, and may have to write twice; so each call leaves a mark of its own, and looks whose
        mark stands there.
        """
        mark = uuid.uuid4().hex
        row = {**_row(server), "registered_at": datetime.now(UTC), "registration": mark}
        await self._writer.put([(self._write.add_server, row)], key=server.name)
        return await self._registration(server.name) == mark

    async def remove(self, name: str) -> bool:
        """See ServerStore."""
        registration = await self._registration(name)
        if registration is None:
            return False
        row = {"of_name": name, "of_registration": registration}
        await self._writer.put([(self._write.remove_server, row)], key=name)
        return True

    async def _registration(self, name: str) -> str | None:
        """The mark of the call that stored the server of this name; None where there is none."""

        def read(connection: Connection) -> str | None:
            return connection.execute(select(_COLUMNS.registration).where(_COLUMNS.name == name)).scalar()

        return await self._database.read(read)


def _servers(connection: Connection) -> tuple[ToolServer, ...]:
    rows = connection.execute(select(lightspeed_tool_server).order_by(_COLUMNS.name).limit(MAX_PAGE)).mappings()
    # Once more, because each database has its own order of letters.
    servers = (server for row in rows if (server := _readable(row)) is not None)
    return tuple(sorted(servers, key=lambda server: server.name))


def _readable(row: RowMapping) -> ToolServer | None:
    """The server of a row; None, with a line in the log, where it is not as we write them: the others stay."""
    try:
        return _server(row)
    except msgspec.MsgspecError:
        log.error("the stored server of tools '%s' cannot be read", row["name"])
        return None


def _row(server: ToolServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "url": server.url,
        "provider_id": server.provider_id,
        # The order of headers is kept.
        "authorization_headers": msgspec.json.encode(dict(server.authorization_headers)).decode(),
        "headers": _encode(server.headers).decode(),
        "approval": _encode(server.approval).decode(),
        "timeout": server.timeout,
    }


def _server(row: RowMapping) -> ToolServer:
    return ToolServer(
        name=row["name"],
        url=row["url"],
        provider_id=row["provider_id"],
        authorization_headers=_decode_sources(row["authorization_headers"]),
        headers=_decode_names(row["headers"]),
        timeout=row["timeout"],
        approval=_decode_approval(row["approval"]),
    )
