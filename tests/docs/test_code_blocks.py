"""Every code block of the documentation is run or checked, by its info string.

``yaml``: a whole configuration, or keys that are put into a small one. ``json``: parses. ``sh``: runs, a page at a
time, in a folder laid out like a clone, with a live service in place of localhost:8080. ``text``: shown, not run.
"""

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from lightspeed_stack.backends.embedded_fetch import find_cached
from lightspeed_stack.backends.embedded_models import Settings
from lightspeed_stack.config.load import load_config
from lightspeed_stack.services.adapters import adapter_settings
from tests.docs.pages import KEYS, PAGES, REPOSITORY, Block, all_blocks, blocks, place
from tests.servers.openai_server import openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

KINDS = {"yaml", "json", "sh", "text"}
SCRIPTED = [page for page in PAGES if any(block.kind == "sh" for block in blocks(page))]
PAGE_SECONDS = 90
PROGRAMS = ("sh", "curl", "make", "mkdir")
INGESTED = ("tutorial", "howto", "explanation")
"""Folders of ``docs`` in the clone: enough to search in, for each passage takes its time."""

INGEST = "lightspeed-stack ingest docs --store product-docs --base-url http://localhost:8080/guide/ --strip-suffix"
"""As in the Makefile and in the guide, so that the guide's own command finds nothing to do."""

KEPT = "user_data_collection: {{feedback_enabled: true, feedback_storage: '{0}/feedback'}}"
CACHED = "conversation_cache: {{type: sqlite, sqlite: {{db_path: '{0}/conversations.db'}}}}"
"""What the pages speak of and a small configuration does not have; of a folder."""

SMALL = """
name: small
service: {}
user_data_collection: {}
inference: {providers: [{id: fake, type: openai, url: "http://localhost:1/v1"}]}
"""


@requirement("docs:blocks:kinds")
@pytest.mark.parametrize("page", PAGES, ids=place)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    assert [f"{block}: {block.kind!r}" for block in blocks(page) if block.kind not in KINDS] == []


@requirement("docs:blocks:yaml")
@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    given = yaml.safe_load(block.text)
    whole = given if "name" in given else completed(given)
    path = tmp_path / "lightspeed-stack.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), "utf-8")
    load_config(path, environ=KEYS, settings_of=adapter_settings)


def completed(keys: dict[str, Any]) -> dict[str, Any]:
    """A small configuration with the keys of a block put in; it has a provider, if the block names none."""
    small: dict[str, Any] = yaml.safe_load(SMALL)
    return {**small, **keys, "inference": {**small["inference"], **keys.get("inference", {})}}


@requirement("docs:blocks:json")
@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


@requirement("docs:blocks:clone")
def test_the_repository_is_cloned_once() -> None:
    clones = [
        place(block.page) for block in all_blocks("sh") for line in block.text.splitlines() if line.startswith("git ")
    ]
    assert clones == ["docs/tutorial/first-answer.md"]


@dataclass(frozen=True, slots=True)
class Clone:
    """A folder like a fresh clone after ``make run``, and the service's address as ``host:port``."""

    folder: Path
    address: str
    environ: dict[str, str]

    async def run(self, script: str) -> None:
        with anyio.fail_after(PAGE_SECONDS):
            done = await anyio.run_process(
                ["sh", "-eux", "-c", script], cwd=self.folder, env=self.environ, check=False, stdin=None
            )
        assert done.returncode == 0, done.stderr.decode()[-4000:] + done.stdout.decode()[-2000:]


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of the commands: ours is found first, and curl fails where the service refuses."""
    (folder / ".curlrc").write_text("fail-with-body\nmax-time = 60\n", "utf-8")
    places = [Path(sys.executable).parent, *(Path(found).parent for name in PROGRAMS if (found := shutil.which(name)))]
    return {
        "PATH": ":".join(str(place_) for place_ in dict.fromkeys(places)),
        "HOME": str(Path.home()),
        "CURL_HOME": str(folder),
        "LIGHTSPEED_EMBEDDED_MODEL": "small",
        "LANG": "C.UTF-8",
        "no_proxy": "*",
    }


@pytest.fixture(scope="module")
async def clone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clone]:
    for name in PROGRAMS:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    base = tmp_path_factory.mktemp("documentation")
    folder = base / "lightspeed-stack"
    for part in INGESTED:
        shutil.copytree(REPOSITORY / "docs" / part, folder / "docs" / part)
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    shutil.copy(REPOSITORY / "lightspeed-stack.yaml", folder)
    environ = surroundings(base)
    await Clone(folder, "", environ).run(INGEST)
    rag = f"rag: {{stores: [{{name: product-docs, path: '{folder}/.data/product-docs.db'}}]}}"
    async with openai_server() as model:
        config = configuration(model.url, base, more=f"{rag}\n{CACHED.format(base)}")
        config = config.replace("user_data_collection: {}", KEPT.format(base))
        async with running(config, base) as service:
            yield Clone(folder, service.url.removeprefix("http://"), environ)


def as_tried(line: str, clone: Clone) -> str:
    """A line of a page as it is run here."""
    if line.startswith(("git clone ", "cd lightspeed-stack")):
        return ":"
    if line.startswith("make "):  # what make would do is tested elsewhere; here, that it knows the target
        return f"make -C '{REPOSITORY}' -n {line.removeprefix('make ')} > /dev/null"
    if re.match(r"lightspeed-stack -c \S+$", line):  # would serve for ever: the configuration is read
        return line.replace(" -c ", " -d -c ")
    if line.startswith("lightspeed-stack model fetch") and find_cached(Settings(model="small")) is None:
        return "lightspeed-stack model fetch --help"  # nothing is fetched for a test
    return line.replace("localhost:8080", clone.address) if "curl " in line else line


@requirement("docs:blocks:sh")
@pytest.mark.parametrize("page", SCRIPTED, ids=place)
async def test_commands_work(page: Path, clone: Clone) -> None:
    lines = [line for block in blocks(page) if block.kind == "sh" for line in block.text.splitlines()]
    await clone.run("\n".join(as_tried(line, clone) for line in lines))
