"""What we say of a run.yaml, compared with what the releases themselves do with it."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lightspeed_stack.config.llama_stack_run import generate_run_yaml
from lightspeed_stack.config.load import load_config
from lightspeed_stack.config.run_yaml import Generation, RunFile, generation_of, read_run_file
from lightspeed_stack.config.run_yaml_checks import faults
from lightspeed_stack.config.run_yaml_releases import GONE, PACKAGES, RELEASES, RENAMED, REQUIRED, ROUTED, Release
from lightspeed_stack.config.run_yaml_upgrade import changes
from lightspeed_stack.config.source import read_yaml
from tests.docs.pages import REPOSITORY
from tests.servers import stacks
from tests.spec.registry import requirement
from tests.stacks.kinds import NEWEST, Kind

FACTS, LOADER = (Path(__file__).with_name(f"run_yaml_{name}.py") for name in ("facts", "loader"))
FIXTURES = sorted((REPOSITORY / "tests" / "fixtures" / "run_yaml").glob("*.yaml"))
EXAMPLES = sorted((REPOSITORY / "examples").rglob("run*.yaml"))

# Files whose defaults, with no account set, are refused by the release they come from.
INCOMPLETE = {
    ("oci", "config.yaml"),
    ("meta-reference-gpu", "run.yaml"),
    ("meta-reference-gpu", "run-with-safety.yaml"),
}

PLACEHOLDER = "http://localhost:1/v1"
"""Value of every variable that a file cannot do without: a name as well as an address."""

each_release = pytest.mark.parametrize(
    "release",
    [
        pytest.param(it, id=it.name, marks=[] if it.name.replace(" ", "-") == NEWEST else [pytest.mark.slow])
        for it in RELEASES
    ],
)


def installation(release: Release) -> stacks.Release:
    return stacks.RELEASES[release.name.replace(" ", "-")]


def distributed(release: Release) -> list[Path]:
    """The configurations that come with a release; none where it is not installed."""
    package = release.package.replace("-", "_")
    found = installation(release).place.glob(f"lib/python3.*/site-packages/{package}/distributions/*/*.yaml")
    return sorted(path for path in found if path.name != "build.yaml" and path.parts[-2:] not in INCOMPLETE)


EVERY = [*FIXTURES, *EXAMPLES, *(path for release in RELEASES for path in distributed(release))]


@cache
def environment() -> dict[str, str]:
    """The variables that some file cannot do without."""
    return {one.name: PLACEHOLDER for path in EVERY for one in read_run_file(read_yaml(path), {}).unset}


def run(release: Release, program: Path, files: list[Path], environ: Mapping[str, str]) -> Any:
    """What a program says that the release's interpreter runs; skips where it is not installed."""
    Kind(installation(release)).check_installed()
    package = release.package.replace("-", "_")
    done = subprocess.run(
        [installation(release).place / "bin" / "python", program, package, *files],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environ},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])


@cache
def facts(release: Release) -> Any:
    """What a release says of itself and of all files."""
    return run(release, FACTS, EVERY, environment())


@requirement("run-yaml:releases")
@each_release
def test_the_apis_of_a_release(release: Release) -> None:
    told = facts(release)
    assert release.apis == set(told["apis"])
    assert release.served == set(told["served"]) - set(told["apis"])
    assert ROUTED & release.apis == set(told["routed"])


@requirement("run-yaml:releases")
@each_release
def test_the_types_that_are_gone(release: Release) -> None:
    types = facts(release)["types"]
    gone = [kind for kind, it in GONE.items() if it.since <= release.version]
    assert [kind for kind in gone if kind[1] in types.get(kind[0], {})] == []
    later = RELEASES[RELEASES.index(release) + 1 :]
    last_here = [kind for kind, it in GONE.items() if later and it.since == later[0].version]
    assert [kind for kind in last_here if kind[1] not in types[kind[0]]] == []


@requirement("run-yaml:releases")
@each_release
def test_the_keys_of_providers(release: Release) -> None:
    types = facts(release)["types"]
    for (api, type_), renamed in RENAMED.items():
        keys = types[api][type_]["keys"]
        if renamed.old != renamed.new:
            assert (renamed.new in keys, renamed.old in keys) == (release.version >= (0, 7), release.version < (0, 7))
    required = {kind: it.key for kind, it in REQUIRED.items() if it.since <= release.version}
    for (api, type_), key in required.items():
        if type_ in types.get(api, {}):
            assert types[api][type_]["keys"][key] is True, (api, type_, key)
    for (api, type_), packages in PACKAGES.items():
        if release.version >= (0, 7, 3) and type_ in types.get(api, {}):
            asked = " ".join(types[api][type_]["packages"])
            assert [name for name in packages if name not in asked] == [], (api, type_)


@requirement("run-yaml:upgrade")
@each_release
def test_whether_a_release_starts_is_foretold_for_every_file(release: Release) -> None:
    wrong = {}
    for name, refusal in facts(release)["verdicts"].items():
        understood = read_run_file(read_yaml(Path(name)), environment())
        assert understood.unset == ()
        if understood.generation > release.generation:
            continue  # made for a later release
        foretold = [it for it in changes(understood, release) if it.stops and decided_by_loader(it.message, it.path)]
        if bool(foretold) != (refusal is not None):
            wrong[name] = (refusal, foretold)
    assert wrong == {}


def decided_by_loader(message: str, path: tuple[str | int, ...]) -> bool:
    """TLS, and an API without a provider, are looked at when it begins to serve."""
    return path != ("server",) and not message.startswith("no provider serves the API")


@requirement("run-yaml:read")
@each_release
def test_the_files_of_a_release_are_of_its_generation_and_without_fault(release: Release) -> None:
    Kind(installation(release)).check_installed()
    assert distributed(release)
    for file in distributed(release):
        document = read_yaml(file)
        # What a release reads that the next one reads as well, does not tell.
        assert generation_of(document.value) - release.generation in {0, 1}, file
        understood = read_run_file(document, environment())
        assert [it for it in faults(understood) if it.stops] == [], file
        assert understood.enabled("inference"), file


@requirement("run-yaml:generated:loads")
@each_release
def test_a_release_accepts_what_is_generated_for_it(release: Release, tmp_path: Path) -> None:
    Kind(installation(release)).check_installed()
    environ = environment()
    inputs = [path for path in distributed(release) if not incomplete(read_run_file(read_yaml(path), environ))]
    assert inputs
    (tmp_path / "faiss.db").touch()
    service = tmp_path / "lightspeed-stack.yaml"
    service.write_text(
        "name: s\nservice: {}\nuser_data_collection: {}\nllama_stack: {url: 'http://localhost:8321'}\nbyok_rag:\n"
        f"- {{rag_id: r, vector_db_id: vs1, db_path: {tmp_path}/faiss.db}}\n"
        f"- {{rag_id: s, vector_db_id: vs2, db_path: {tmp_path}/faiss.db, embedding_model: MODEL}}\n",
        "utf-8",
    )
    outputs = []
    for number, file in enumerate(inputs):
        output = tmp_path / f"run-{number}.yaml"
        first = read_run_file(read_yaml(file), environ).enabled("inference")[0]
        text = service.read_text("utf-8").replace("MODEL", f"{first.id}/embed")
        (tmp_path / "used.yaml").write_text(text, "utf-8")
        generate_run_yaml(load_config(tmp_path / "used.yaml", environ={}), file, output)
        outputs.append(output)
    verdicts = run(release, FACTS, outputs, environ)["verdicts"]
    assert verdicts == {str(output): None for output in outputs}
    for output in outputs:
        understood = read_run_file(read_yaml(output), environ)
        assert [store.id for store in understood.stores if store.provider_id.startswith("byok_")] == ["vs1", "vs2"]
        assert [it for it in faults(understood) if it.stops] == []


def incomplete(understood: RunFile) -> bool:
    """Whether nothing in the file could make vectors with the model that byok_rag has where none is named."""
    types = {provider.type for provider in understood.enabled("inference")}
    return understood.generation is not Generation.OLD and "inline::sentence-transformers" not in types


@requirement("run-yaml:upgrade")
@each_release
def test_a_file_after_its_steps_is_accepted_key_by_key(release: Release) -> None:
    name = {Generation.OLD: "old", Generation.MIDDLE: "upgraded-0.7", Generation.OGX: "upgraded-1"}[release.generation]
    file = REPOSITORY / "tests" / "fixtures" / "run_yaml" / f"{name}.yaml"
    assert run(release, LOADER, [file], {}) == {str(file): None}
