"""Write ``docs/reference/llama-stack-releases.md`` from what a run of ``tests/stacks`` over all releases has shown.

python -m scripts.generate_stack_table [FILE]

Refuses where a behaviour was not shown: the page tells of nothing that was not run.
"""

import json
import sys
from pathlib import Path

from tests.spec.rooms.stacks import BEHAVIOURS
from tests.stacks.kinds import KINDS, RESULTS, Kind

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "llama-stack-releases.md"

PREFACE = """\
# Releases of Llama Stack and OGX

<!-- Written by scripts/generate_stack_table.py from a run of tests/stacks: `make releases`. -->

The service speaks with all releases from 0.2.17 to 1.5.0. One and the same suite of tests runs against the four below,
each as a real server, and as a library inside the service's own process, with a scripted model behind them. OGX is the
name of Llama Stack since its release 1.0.
"""

MEANING = """\
✓ was shown by the run that wrote this page. – is what the release, or the way it runs, does not have: OGX has no
shields and no moderations, Llama Stack 0.2 tells every refusal of a provider as a failure, and a library has no server
that could be away.
"""


def main(arguments: list[str]) -> None:
    missing = not_shown(json.loads(RESULTS.read_text("utf-8")))
    if missing:
        sys.exit("not shown by the last run of tests/stacks:\n" + "\n".join(missing))
    page = Path(arguments[0]) if arguments else PAGE
    page.write_text(f"{PREFACE}\n{releases()}\n## What works\n\n{behaviours()}\n{MEANING}", "utf-8")


def not_shown(results: dict[str, dict[str, str]]) -> list[str]:
    """Behaviours that a release should show, and that did not pass in a run."""
    return [
        f"{kind.name}: {id_}: {outcome}"
        for kind in KINDS
        for id_ in BEHAVIOURS
        if kind.shows((id_,))
        if (outcome := results.get(kind.name, {}).get(id_, "not run")) != "passed"
    ]


def releases() -> str:
    """The table of what the releases are."""
    rows = [
        f"| {title(kind)} | `{kind.release.package}=={kind.release.version}` | {python(kind)} | {started(kind)} |"
        for kind in KINDS
        if not kind.library
    ]
    return "\n".join(["| Release | Package | Python | Its server is started with |", "|---|---|---|---|", *rows, ""])


def behaviours() -> str:
    """The table of what works."""
    titles = "".join(f" {title(kind)} |" for kind in KINDS)
    rows = [
        f"| {behaviour.sentence.removesuffix('.')} |" + "".join(f" {cell(kind, id_)} |" for kind in KINDS)
        for id_, behaviour in BEHAVIOURS.items()
    ]
    return "\n".join([f"| Behaviour |{titles}", "|---|" + ":-:|" * len(KINDS), *rows, ""])


def cell(kind: Kind, id_: str) -> str:
    return "✓" if kind.shows((id_,)) else "–"


def title(kind: Kind) -> str:
    name = f"{kind.release.package} {kind.release.version}"
    return f"{name} library" if kind.library else name


def python(kind: Kind) -> str:
    """The Python of its environment, which the run used."""
    settings = (kind.release.place / "pyvenv.cfg").read_text("utf-8")
    told = dict(line.split(" = ", 1) for line in settings.splitlines() if " = " in line)
    return ".".join(told["version_info"].split(".")[:2])


def started(kind: Kind) -> str:
    filled = {"FILE": "run.yaml", "PORT": "8321"}
    return f"`{' '.join(filled.get(word, word) for word in kind.release.command)}`"


if __name__ == "__main__":
    main(sys.argv[1:])
