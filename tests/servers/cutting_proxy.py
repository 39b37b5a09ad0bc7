"""A proxy before PostgreSQL that loses a connection at the worst moment: a commit was made, and nobody hears of it."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from tests.servers.postgres import PostgresDatabase


class CuttingProxy:
    """``port`` on the loopback leads to a server's socket. ``cuts`` counts the commits of which nobody heard."""

    def __init__(self, database: PostgresDatabase, listener: socket.socket) -> None:
        self.database = replace(database, host="127.0.0.1", port=listener.getsockname()[1])
        self.cuts = 0
        self._target = f"{database.host}/.s.PGSQL.{database.port}"
        self._armed = False
        self._listener = listener

    def cut_next_commit(self) -> None:
        self._armed = True

    def accept(self) -> None:
        """Serve until the listener is shut."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with closing(client), closing(socket.socket(socket.AF_UNIX)) as server:
            server.connect(self._target)
            try:
                while self._carry(client, server):
                    pass
            except OSError:  # either side is gone, and so is the other
                return

    def _carry(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry what there is to the other side; False where the connection ends."""
        for side in select.select([client, server], [], [])[0]:
            data = side.recv(65536)
            if not data:
                return False
            if side is server:
                client.sendall(data)
                continue
            server.sendall(data)
            if self._armed and b"COMMIT" in data:
                self._armed = False
                server.recv(65536)  # the commit is made
                self.cuts += 1
                return False
        return True


@contextmanager
def cutting_proxy(database: PostgresDatabase) -> Iterator[CuttingProxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(database, listener)
        thread = threading.Thread(target=proxy.accept, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends the waiting accept
            thread.join()
