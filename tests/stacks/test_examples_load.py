"""The examples with a stack: each ``run.yaml`` is accepted by the releases it is for, each other file by ours."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lightspeed_stack.config.environment import expand
from lightspeed_stack.config.load import load_config
from lightspeed_stack.services.adapters import adapter_settings
from tests.docs.pages import KEYS, REPOSITORY, rows
from tests.servers.stacks import RELEASES, environment
from tests.spec.registry import requirement
from tests.stacks.kinds import NEWEST, Kind

EXAMPLES = REPOSITORY / "examples"
PROVIDERS = EXAMPLES / "llama-stack-providers"
SERVER, LIBRARY = EXAMPLES / "llama-stack-server", EXAMPLES / "llama-stack-library"
FOLDERS = [SERVER, LIBRARY, *sorted(path for path in PROVIDERS.iterdir() if path.is_dir())]
NAMES = ["gemini", "granite", "openai-faiss", "openai-pgvector", "qwen3", "rhaiis", "vertexai", "vllm"]

LOADER = Path(__file__).with_name("run_yaml_loader.py")
VARIABLE = re.compile(r"\$\{env\.(\w+)")
AS_LIBRARY = re.compile(r"^  # (use_as_library_client|library_client_config_path)(?=:)", re.MULTILINE)


def run_file(release: str) -> str:
    """The name of the file that is for a release."""
    return "run-0.2.yaml" if release.startswith("llama-stack-0.2") else "run.yaml"


@requirement("examples:stacks:loaded")
def test_the_examples_with_a_stack_are_those() -> None:
    assert [folder.name for folder in FOLDERS[2:]] == NAMES
    names = ["lightspeed-stack.yaml", "run-0.2.yaml", "run.yaml"]
    assert {folder.name: sorted(path.name for path in folder.glob("*.yaml")) for folder in FOLDERS} == {
        folder.name: names for folder in FOLDERS
    }


@requirement("examples:stacks:loaded")
@pytest.mark.parametrize(
    "release", [pytest.param(name, marks=[] if name == NEWEST else [pytest.mark.slow]) for name in RELEASES]
)
def test_a_release_accepts_every_file_that_is_for_it(release: str, tmp_path: Path) -> None:
    kind = Kind(RELEASES[release])
    kind.check_installed()
    files = [str(folder / run_file(release)) for folder in FOLDERS]
    package = kind.release.package.replace("-", "_")
    python = kind.release.place / "bin" / "python"
    environ = {**os.environ, **environment(tmp_path, ""), **KEYS}
    done = subprocess.run([python, LOADER, package, *files], env=environ, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == dict.fromkeys(files)


@requirement("examples:stacks:service")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_our_file_names_a_provider_and_a_model_of_the_stack(folder: Path) -> None:
    config = load_config(folder / "lightspeed-stack.yaml", environ=KEYS, settings_of=adapter_settings)
    assert config.llama_stack is not None
    # Our references to the environment are theirs.
    stack = expand(yaml.safe_load((folder / "run.yaml").read_text("utf-8")), KEYS).value
    models = {(it["provider_id"], it["model_id"]) for it in stack["registered_resources"]["models"]}
    assert (config.inference.default_provider, config.inference.default_model) in models


@requirement("examples:stacks:service")
@pytest.mark.parametrize("folder", FOLDERS[2:], ids=lambda folder: folder.name)
def test_the_commented_lines_put_the_stack_into_our_process(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    text, taken_in = AS_LIBRARY.subn(r"  \1", (folder / "lightspeed-stack.yaml").read_text("utf-8"))
    assert taken_in == 2
    file = tmp_path / "lightspeed-stack.yaml"
    file.write_text(text, "utf-8")
    stack = load_config(file, environ=KEYS, settings_of=adapter_settings).llama_stack
    assert stack is not None
    assert stack.use_as_library_client
    assert stack.library_client_config_path == str((folder / "run.yaml").relative_to(REPOSITORY))


@requirement("examples:stacks:service")
@pytest.mark.parametrize("page", [SERVER, LIBRARY, PROVIDERS], ids=lambda folder: folder.name)
def test_the_page_names_the_variables_that_its_files_read(page: Path) -> None:
    told = (page / "README.md").read_text("utf-8")
    read = {name for file in page.rglob("*.yaml") for name in VARIABLE.findall(file.read_text("utf-8"))}
    # Nothing listens inside our process.
    silent = {"STACK_HOST"} if page == LIBRARY else set()
    assert sorted(name for name in read - silent if f"`{name}`" not in told) == []


@requirement("examples:providers:table")
def test_the_table_of_providers_names_every_example_and_its_types() -> None:
    page = REPOSITORY / "docs" / "reference" / "providers.md"
    told: dict[str, set[str]] = {}
    for table, with_types, with_links in (("Provider", 2, 2), ("Vector store", 1, 2)):
        for row in rows(page, table):
            for folder in re.findall(r"llama-stack-providers/([\w-]+)/", row[with_links]):
                told.setdefault(folder, set()).update(re.findall(r"`((?:remote|inline)::[\w-]+)`", row[with_types]))
    assert told == {folder.name: types(folder) for folder in FOLDERS[2:]}
    linked = {name for row in rows(page, "Provider") for name in re.findall(r"examples/([\w-]+)/", row[1])}
    others = {"own-documents", "postgres", "tools", "two-providers"}
    assert linked == {it.name for it in EXAMPLES.iterdir() if not it.name.startswith("llama-stack")} - others


def types(folder: Path) -> set[str]:
    """The types that the page must name, of both files."""
    trees = [yaml.safe_load((folder / name).read_text("utf-8"))["providers"] for name in ("run.yaml", "run-0.2.yaml")]
    return {it["provider_type"] for tree in trees for api in ("inference", "vector_io") for it in tree.get(api, ())}
