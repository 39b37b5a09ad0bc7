"""``lightspeed-stack model``: fetch the embedded model before it is needed, and list what there is.

Above: ``main`` dispatches here. Below: ``backends.embedded_fetch``.
"""

import argparse
import sys

from lightspeed_stack.backends.embedded_fetch import this_machine
from lightspeed_stack.backends.embedded_models import CATALOGUE, Settings, cache_dir
from lightspeed_stack.backends.embedded_progress import fetch_for
from lightspeed_stack.errors import AssistantError


def model(argv: list[str]) -> int:
    """Run the subcommand; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="lightspeed-stack model", description="The embedded model.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="fetch a model into the cache")
    fetch.add_argument("--model", choices=["auto", *(entry.key for entry in CATALOGUE)], default="auto")
    commands.add_parser("list", help="list the models and whether they are in the cache")
    arguments = parser.parse_args(argv)
    if arguments.command == "list":
        return _list()
    try:
        path = fetch_for(Settings(model=arguments.model))
    except AssistantError as error:
        print(error.cause, file=sys.stderr)
        return 1
    print(path)
    return 0


def _list() -> int:
    folder = cache_dir(Settings(), this_machine().environ)
    for entry in CATALOGUE:
        cached = folder / entry.file
        where = str(cached) if cached.exists() else "not fetched"
        print(f"{entry.key:8} {entry.name}  {entry.quantisation}  {entry.size / 1e6:,.0f} MB  {entry.licence}  {where}")
    return 0
