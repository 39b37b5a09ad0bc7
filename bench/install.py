"""A base install: the wheel and requirements/base.txt alone in a fresh environment."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Size:
    """Megabytes (10^6 bytes) on disk of an environment, without and with byte code."""

    installed: float
    with_bytecode: float


def build_wheel(folder: Path) -> Path:
    """Build the wheel into ``folder`` with the build backend that is installed here."""
    call([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)])
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment in ``folder`` with the wheel and the locked base requirements; its Python."""
    uv = call(["sh", "scripts/uv.sh"]).strip()
    python = folder / "bin" / "python"
    call([uv, "venv", "-q", "--no-project", "--python", sys.executable, str(folder)])
    # Copies, not links into a cache: what an install takes is what is counted.
    options = ["-q", "--link-mode=copy", "--python", str(python)]
    call([uv, "pip", "sync", *options, "--require-hashes", "requirements/base.txt"])
    call([uv, "pip", "install", *options, "--no-deps", str(wheel)])
    return python


def size_of(folder: Path, python: Path) -> Size:
    """Measure an environment; compiles its byte code."""
    installed = taken_by(folder)
    call([str(python), "-m", "compileall", "-q", str(folder)])
    return Size(installed, taken_by(folder))


def taken_by(folder: Path) -> float:
    """Megabytes that the files below ``folder`` occupy, in whole blocks, as ``du`` counts."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def call(command: list[str]) -> str:
    """Run in the repository; what it prints. Raises RuntimeError with its messages when it fails."""
    surroundings = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=SECONDS,
        check=False,
        env={"UV_SYSTEM_CERTS": "1", **surroundings},
    )
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return done.stdout
