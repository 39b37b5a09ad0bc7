"""Writes a Llama Stack configuration (``run.yaml``) with the vector databases of ``byok_rag`` added.

References to the environment in the input are left as they are: they are Llama Stack's to expand.
"""

import contextlib
import os
import secrets
from pathlib import Path

import yaml

from lightspeed_stack.config.load import refused
from lightspeed_stack.config.run_yaml_knowledge import add_knowledge
from lightspeed_stack.config.source import Problem, SourceError, read_yaml
from lightspeed_stack.config.tree import Config


class _Dumper(yaml.SafeDumper):
    """Indents list items under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow=flow, indentless=False)


def generate_run_yaml(config: Config, input: Path, output: Path) -> None:  # noqa: A002 - named as the flag
    """Write ``input`` to ``output`` with the vector databases of ``config.byok_rag`` added.

    They are written in the schema of ``input``. Run again on its own output it changes nothing: an entry whose id is
    there already is replaced in its place. ``output`` is replaced in one step, so a reader sees the old file or the
    new one.

    Raises ConfigurationError when ``input`` is missing, no YAML mapping, or without ``providers`` while there is
    something to add, and when ``output`` cannot be written.
    """
    try:
        document = read_yaml(input)
    except SourceError as error:
        raise refused(input, error.problems) from None
    if config.byok_rag:
        add_knowledge(document, config.byok_rag, input)
    text = yaml.dump(document.value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True)
    _replace(output, text)


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
