"""Adds the vector databases of ``byok_rag`` to a Llama Stack configuration (``run.yaml``).

References to the environment in the input are left as they are: they are Llama Stack's to expand.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import yaml

from lightspeed_stack.config.data import ByokRagSection
from lightspeed_stack.config.load import refused
from lightspeed_stack.config.source import Document, Problem, SourceError, read_yaml
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError


class _Dumper(yaml.SafeDumper):
    """Indents list items under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow=flow, indentless=False)


def generate_run_yaml(config: Config, input: Path, output: Path) -> None:  # noqa: A002 - named as the flag
    """Write ``input`` to ``output`` with the vector databases of ``config.byok_rag`` added.

    Run again on its own output it changes nothing: an entry whose ``vector_db_id`` or ``provider_id`` is there already
    is replaced in its place, and later entries of the same id are dropped. ``output`` is replaced in one step, so a
    reader sees the old file or the new one.

    Raises ConfigurationError when ``input`` is missing, no YAML mapping, or without ``providers`` while there is
    something to add, and when ``output`` cannot be written.
    """
    try:
        document = read_yaml(input)
    except SourceError as error:
        raise refused(input, error.problems) from None
    if config.byok_rag:
        _add(document, config.byok_rag, input)
    text = yaml.dump(document.value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True)
    _replace(output, text)


def _add(document: Document, entries: tuple[ByokRagSection, ...], file: Path) -> None:
    tree = document.value
    if not isinstance(tree, dict):
        raise _unusable(file, document, "", "the file is not a mapping", "name a Llama Stack configuration with -i")
    if not isinstance(tree.get("providers"), dict):
        fix = "add  providers: {}  or name a complete Llama Stack configuration with -i"
        raise _unusable(file, document, "providers", "Field required, a mapping", fix)
    databases = _list_in(tree, "vector_dbs", "vector_dbs", document, file)
    providers = _list_in(tree["providers"], "vector_io", "providers.vector_io", document, file)
    for entry in entries:
        provider_id = f"byok_{entry.vector_db_id}"
        database = {
            "vector_db_id": entry.vector_db_id,
            "provider_id": provider_id,
            "embedding_model": entry.embedding_model,
            "embedding_dimension": entry.embedding_dimension,
        }
        store = {"db_path": f".llama/{entry.vector_db_id}.db", "namespace": None, "type": "sqlite"}
        provider = {"provider_id": provider_id, "provider_type": entry.rag_type, "config": {"kvstore": store}}
        _put(databases, database, "vector_db_id")
        _put(providers, provider, "provider_id")


def _list_in(mapping: dict[str, Any], name: str, key: str, document: Document, file: Path) -> list[Any]:
    """The list under ``name``, made where there is none."""
    if mapping.get(name) is None:
        mapping[name] = []
    found = mapping[name]
    if not isinstance(found, list):
        raise _unusable(file, document, key, "Input should be a valid list", f"write  {name}: []")
    return found


def _put(items: list[Any], entry: dict[str, Any], id_key: str) -> None:
    """Replace the first item of the same id and drop the others; append where there is none."""
    same = [place for place, item in enumerate(items) if isinstance(item, dict) and item.get(id_key) == entry[id_key]]
    if not same:
        items.append(entry)
        return
    items[same[0]] = entry
    for place in reversed(same[1:]):
        del items[place]


def _unusable(file: Path, document: Document, key: str, message: str, fix: str) -> ConfigurationError:
    return refused(file, [Problem(message, fix, document.line(tuple(key.split("."))), key)])


def _replace(output: Path, text: str) -> None:
    """Write a file in one step: a temporary one beside it, flushed to disk, takes its name."""
    target = output.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):  # it was never made where the directory is what is wrong
            temporary.unlink()
        problem = Problem(
            f"the file cannot be written: {error.strerror}", "name a file in a writable directory with -o"
        )
        raise refused(output, [problem]) from None
