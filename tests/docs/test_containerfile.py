"""The Containerfile's steps, run without a container engine: what they copy exists, and what they install starts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spec.registry import requirement

ROOT = Path(__file__).parents[2]
STEPS = re.findall(r"^(\w+) (.+)$", (ROOT / "deploy/Containerfile").read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for ``/app-root``, with a virtual environment in place of the image's Python."""
    folder = tmp_path_factory.mktemp("app-root")
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "PATH": f"{folder / 'python' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        **dict(rest.split("=", 1) for step, rest in STEPS if step == "ARG"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for step, rest in STEPS:
        if step == "COPY":
            *sources, target = rest.split()
            for source in sources:
                place = folder / target / (source if target == "./" else "")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, symlinks=True)
                else:
                    shutil.copy(ROOT / source, place)
        elif step == "RUN" and rest.startswith("pip "):
            subprocess.run(["sh", "-ec", rest], cwd=folder, env=environment, check=True, capture_output=True)
    return folder


@requirement("deploy:containerfile")
def test_what_it_installs_starts(image: Path) -> None:
    shutil.copy(ROOT / "examples/openai/lightspeed-stack.yaml", image)
    program = image / "python" / "bin" / "lightspeed-stack"
    environment = {**os.environ, "OPENAI_API_KEY": "x"}
    done = subprocess.run([program, "-d"], cwd=image, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("_web/index.html", "_docs/README.md"):
        assert list((image / "python").glob(f"lib/*/site-packages/lightspeed_stack/{part}"))


@requirement("deploy:containerfile")
def test_it_keeps_the_contract() -> None:
    told = dict(STEPS)
    assert (told["WORKDIR"], told["USER"], told["EXPOSE"]) == ("/app-root", "1001", "8080")
    assert "/liveness" in told["HEALTHCHECK"]
