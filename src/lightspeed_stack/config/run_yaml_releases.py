"""What releases of Llama Stack and OGX accept in their configuration, and what became of what they no longer do.

Only what a configuration may have to change for is here. ``tests/stacks`` compares it with the releases themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lightspeed_stack.config.run_yaml import Generation


@dataclass(frozen=True, slots=True)
class Release:
    """``apis`` may have providers; ``served`` may stand in ``apis`` of the file as well, without any.

    ``pins`` must be installed beside it, for it names them without a version. ``skips_unserved``: an API that no
    provider serves is left out, instead of stopping the start.
    """

    name: str
    version: tuple[int, ...]
    generation: Generation
    start: str
    pins: tuple[str, ...]
    apis: frozenset[str]
    served: frozenset[str]
    needs_tls: bool = False
    skips_unserved: bool = False

    @property
    def package(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def requirements(self) -> tuple[str, ...]:
        """As a package installer takes them."""
        return (self.name.replace(" ", "=="), *self.pins)


_COMMON = frozenset({"batches", "files", "inference", "tool_runtime", "vector_io"})
_SINCE_0_7 = _COMMON | {"file_processors", "responses"}
_EVALUATION = frozenset({"datasetio", "eval", "safety", "scoring"})
_SERVED = frozenset({"inspect", "models", "prompts", "providers", "tool_groups"})
_SERVED_SINCE_0_7 = _SERVED | {"admin", "connectors", "conversations", "vector_stores"}
_SERVED_TO_0_7 = frozenset({"benchmarks", "datasets", "scoring_functions", "shields"})

ROUTED = frozenset({"datasetio", "eval", "inference", "safety", "scoring", "tool_runtime", "vector_io"})
"""APIs that are there without a provider as well."""

RELEASES = (
    Release(
        name="llama-stack 0.2.22",
        version=(0, 2, 22),
        generation=Generation.OLD,
        start="llama stack run {file} --port {port}",
        pins=("llama-stack-client==0.2.22", "mcp<2"),
        apis=_COMMON | _EVALUATION | {"agents", "post_training", "telemetry"},
        served=_SERVED | _SERVED_TO_0_7 | {"vector_dbs"},
    ),
    Release(
        name="llama-stack 0.7.3",
        version=(0, 7, 3),
        generation=Generation.MIDDLE,
        start="llama stack run {file} --port {port}",
        pins=("llama-stack-api==0.7.3", "mcp<2"),
        apis=_SINCE_0_7 | _EVALUATION,
        served=_SERVED_SINCE_0_7 | _SERVED_TO_0_7,
    ),
    Release(
        name="ogx 1.0.2",
        version=(1, 0, 2),
        generation=Generation.OGX,
        start="ogx stack run {file} --port {port}",
        pins=("ogx-api==1.0.2", "mcp<2"),
        apis=_SINCE_0_7 | {"interactions", "messages"},
        served=_SERVED_SINCE_0_7,
    ),
    Release(
        name="ogx 1.5.0",
        version=(1, 5, 0),
        generation=Generation.OGX,
        start="ogx run {file} --port {port}",
        pins=("ogx-api==1.5.0",),
        apis=_SINCE_0_7 | {"container_runtime", "interactions", "messages", "skills"},
        served=_SERVED_SINCE_0_7 | {"containers"},
        needs_tls=True,
        skips_unserved=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Gone:
    """A provider type that is not there any more ``since`` a release; ``instead`` says what to write."""

    since: tuple[int, ...]
    instead: str


_OPENAI = "write  provider_type: remote::openai  with its address, which ends in /v1, as base_url"
_VLLM = "serve the model with vLLM, and write  provider_type: remote::vllm"

GONE: Mapping[tuple[str, str], Gone] = {
    ("inference", "inline::meta-reference"): Gone((0, 7, 3), _VLLM),
    ("inference", "inline::transformers"): Gone((1, 5, 0), _VLLM),
    ("inference", "remote::hf::endpoint"): Gone((0, 7, 3), _OPENAI),
    ("inference", "remote::hf::serverless"): Gone((0, 7, 3), _OPENAI),
    ("inference", "remote::tgi"): Gone((0, 7, 3), _OPENAI),
    ("eval", "inline::meta-reference"): Gone((0, 7, 3), "write  provider_type: inline::builtin  or remove it"),
    ("tool_runtime", "inline::rag-runtime"): Gone((0, 7, 3), "write  provider_type: inline::file-search  or remove it"),
    ("vector_io", "inline::builtin"): Gone((1, 0, 2), "write  provider_type: inline::faiss"),
    ("vector_io", "inline::meta-reference"): Gone((0, 7, 3), "write  provider_type: inline::faiss"),
    ("vector_io", "inline::sqlite_vec"): Gone((1, 0, 2), "write  provider_type: inline::sqlite-vec"),
}


@dataclass(frozen=True, slots=True)
class Renamed:
    """A key of a provider's configuration that has another name since 0.7.3, and what its value ends in since then."""

    old: str
    new: str
    ends_in: str = ""


RENAMED: Mapping[tuple[str, str], Renamed] = {
    **{
        ("inference", f"remote::{name}"): Renamed("url", "base_url")
        for name in ("fireworks", "passthrough", "runpod", "sambanova", "together", "vllm", "watsonx")
    },
    ("inference", "remote::azure"): Renamed("api_base", "base_url", "/openai/v1"),
    ("inference", "remote::cerebras"): Renamed("base_url", "base_url", "/v1"),
    ("inference", "remote::databricks"): Renamed("url", "base_url", "/serving-endpoints"),
    ("inference", "remote::groq"): Renamed("url", "base_url", "/openai/v1"),
    ("inference", "remote::llama-openai-compat"): Renamed("openai_compat_api_base", "base_url"),
    ("inference", "remote::nvidia"): Renamed("url", "base_url", "/v1"),
    ("inference", "remote::ollama"): Renamed("url", "base_url", "/v1"),
}


@dataclass(frozen=True, slots=True)
class Required:
    """A key without which a provider's configuration is refused since a release."""

    since: tuple[int, ...]
    key: str


REQUIRED: Mapping[tuple[str, str], Required] = {
    ("batches", "inline::reference"): Required((1, 0, 2), "sqlstore"),
    ("files", "inline::localfs"): Required((0, 7, 3), "metadata_store"),
    ("files", "remote::s3"): Required((0, 7, 3), "metadata_store"),
    ("messages", "inline::builtin"): Required((1, 5, 0), "kvstore"),
    ("responses", "inline::builtin"): Required((0, 7, 3), "persistence"),
    **{
        ("vector_io", f"inline::{name}"): Required((0, 7, 3), "persistence")
        for name in ("chromadb", "faiss", "milvus", "qdrant", "sqlite-vec", "sqlite_vec")
    },
    **{
        ("vector_io", f"remote::{name}"): Required((0, 7, 3), "persistence")
        for name in ("chromadb", "milvus", "qdrant")
    },
}


PACKAGES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("file_processors", "inline::pypdf"): ("pypdf",),
    ("inference", "inline::sentence-transformers"): ("sentence-transformers", "torch"),
    ("vector_io", "inline::faiss"): ("chardet", "faiss-cpu", "pypdf"),
    ("vector_io", "inline::sqlite-vec"): ("chardet", "pypdf", "sqlite-vec"),
}
"""What a provider of a type imports, and no release since 0.7.3 brings along."""


def release_for(package: str, version: str) -> Release:
    """The release here that is nearest below an installed one; the first of its package where there is none."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    same = [release for release in RELEASES if release.package == package]
    return next((release for release in reversed(same) if release.version <= numbers), same[0])
