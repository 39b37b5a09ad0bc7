"""A file to load, and a process that is not allowed everything."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lightspeed_stack.config.load import load_config
from lightspeed_stack.config.section import SettingsOf, no_settings
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError

MINIMAL = "name: my service\nservice: {}\nllama_stack:\n  url: http://localhost:8321\nuser_data_collection: {}\n"


class Files:
    """Writes ``lightspeed-stack.yaml`` into a directory of its own and loads it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "lightspeed-stack.yaml"

    def load(
        self, text: str | bytes, environ: Mapping[str, str] | None = None, settings_of: SettingsOf = no_settings
    ) -> Config:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(self.path, environ=environ or {}, settings_of=settings_of)

    def problems(
        self, text: str | bytes, environ: Mapping[str, str] | None = None, settings_of: SettingsOf = no_settings
    ) -> str:
        """What loading complains about, with the file's bare name."""
        with pytest.raises(ConfigurationError) as raised:
            self.load(text, environ, settings_of)
        return raised.value.cause.replace(str(self.path), self.path.name)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def closed() -> Iterator[Callable[[int], Path]]:
    """Makes a directory of a mode that the process's effective user does not own; undone at the end."""
    superuser = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)

        def make(mode: int) -> Path:
            inner = top / "inner"
            inner.mkdir()
            (inner / "file.txt").write_text("text")
            (inner / "file.txt").chmod(mode)
            inner.chmod(mode | 0o111)
            if superuser:
                os.seteuid(65534)
            return inner

        try:
            yield make
        finally:
            if superuser:
                os.seteuid(0)
            (top / "inner").chmod(0o755)
