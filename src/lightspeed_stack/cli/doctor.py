"""``lightspeed-stack doctor``: examine the configuration, and the Llama Stack's own, before something is started.

Above: ``main`` dispatches here. Below: ``doctor``.
"""

import argparse
import dataclasses
import json
import os
import textwrap
from pathlib import Path

from lightspeed_stack.doctor import Chapter, Report, examine
from lightspeed_stack.services.adapters import adapter_settings

CONFIG_FILE = Path("lightspeed-stack.yaml")
WIDTH = 120


def doctor(argv: list[str]) -> int:
    """Run the command; 1 where something keeps the service, or its stack, from starting."""
    parser = argparse.ArgumentParser(
        prog="lightspeed-stack doctor",
        description="Examine the configuration and the run.yaml of its Llama Stack or OGX, of any release: what it "
        "offers, what is wrong, and what an upgrade to each later release needs. Nothing is started or connected to.",
        epilog="exit codes: 0 nothing keeps it from starting, 1 something does (marked as error), 2 wrong arguments",
    )
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help=f"configuration file (default: {CONFIG_FILE})"
    )
    parser.add_argument(
        "--run-yaml",
        type=Path,
        metavar="FILE",
        help="configuration of the stack (default: llama_stack.library_client_config_path)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    asked = parser.parse_args(argv)
    # With a run.yaml alone, this service need not be configured at all.
    config = asked.config or (None if asked.run_yaml and not CONFIG_FILE.exists() else CONFIG_FILE)
    report = examine(config, asked.run_yaml, environ=os.environ, settings_of=adapter_settings)
    print(_as_json(report) if asked.json else "\n\n".join(map(_as_text, report.chapters)))
    return 0 if report.healthy else 1


def _as_text(chapter: Chapter) -> str:
    lines = [chapter.title]
    for finding in chapter.findings:
        lines += textwrap.wrap(
            _printable(f"{finding.subject}: {finding.message}"),
            WIDTH,
            initial_indent=f"  {finding.severity:<8} ",
            subsequent_indent=" " * 13,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if finding.fix:
            lines.append(_printable(f"{' ' * 11}fix: {finding.fix}"))
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Without what a terminal would obey: names come from files that somebody else may have written."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _as_json(report: Report) -> str:
    chapters = [dataclasses.asdict(chapter) for chapter in report.chapters]
    return json.dumps({"healthy": report.healthy, "chapters": chapters}, ensure_ascii=False, indent=2)
