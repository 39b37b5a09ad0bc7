"""Where conversations are kept: from the configuration to stores that open when they are first needed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightspeed_stack.config.data import ConversationCacheSection, DatabaseSection, PostgresSection, SqliteSection
from lightspeed_stack.config.tree import Config
from lightspeed_stack.services.run_directory import private_directory, shared
from lightspeed_stack.storage.locations import Location, PostgresServer, SqliteFile
from lightspeed_stack.storage.opening import Opened, Opening


@contextmanager
def storage(config: Config) -> Iterator[Opening]:
    """Look at the databases that are configured, and give what opens them; what is in memory ends with the context.

    Blocking. Raises StorageError or ConfigurationError.
    """
    database = _database(config.database)
    database.check()
    with _in_memory(config.conversation_cache) as memory:
        cache = _cache(config.conversation_cache, memory)
        if cache is not None and cache != database:
            cache.check()
        yield Opening(_opener(config, database, cache))


def _opener(config: Config, database: Location, cache: Location | None) -> Callable[[], Opened]:
    bounded = config.conversation_cache.memory
    enabled = config.user_data_collection.feedback_enabled

    def open_() -> Opened:
        from lightspeed_stack.storage.opened import CachePlace, open_storage

        place: CachePlace | None = None
        if cache is not None:
            place = CachePlace(cache, bounded.max_entries if bounded is not None else None)
        return open_storage(database, place, feedback_enabled=enabled)

    return open_


def _database(section: DatabaseSection) -> Location:
    if section.postgres is not None:
        return _server(section.postgres, section.postgres.namespace)
    return _file(section.sqlite)


def _cache(section: ConversationCacheSection, memory: Path | None) -> Location | None:
    match section.type:
        case "sqlite":
            return _file(section.sqlite)
        case "postgres" if section.postgres is not None:
            # The reference's cache is in the default schema, whatever namespace says (configuration.md 2.11).
            return _server(section.postgres, None)
        case "memory" if memory is not None:
            return SqliteFile(memory / "conversation-cache.db", lasting=False)
        case _:
            return None


def _file(section: SqliteSection | None) -> SqliteFile:
    if section is None:
        raise TypeError("the configuration names no database")  # its own rules see to that
    return SqliteFile(Path(os.path.abspath(section.db_path)))  # noqa: PTH100 - a link stays the name of the file


def _server(section: PostgresSection, namespace: str | None) -> PostgresServer:
    return PostgresServer(
        host=section.host,
        port=section.port,
        database=section.db,
        user=section.user,
        password=section.password.get_secret_value(),
        schema=None if namespace in {None, "public"} else namespace,
        ssl_mode=section.ssl_mode,
        gss_mode=section.gss_encmode,
        ca_path=section.ca_cert_path,
    )


@contextmanager
def _in_memory(section: ConversationCacheSection) -> Iterator[Path | None]:
    """A directory in memory for a cache of the type ``memory``: all workers of a service use one."""
    if section.type != "memory":
        yield None
    elif (directory := shared()) is not None:
        yield directory
    else:
        with private_directory() as directory:
            yield directory
