"""``lightspeed-stack``: serve by default, or one of the commands.

The flags are the contract's (configuration.md 4). Commands are imported only when they are called.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lightspeed_stack import __version__
from lightspeed_stack.errors import AssistantError, ConfigurationError

COMMANDS = {
    "ingest": ("lightspeed_stack.cli.knowledge", "put documents into a knowledge store"),
    "search": ("lightspeed_stack.cli.knowledge", "search a knowledge store"),
    "model": ("lightspeed_stack.cli.model", "fetch or list the embedded models"),
    "doctor": ("lightspeed_stack.cli.doctor", "examine the configuration, and the run.yaml of its Llama Stack"),
}

DUMP_FILE = "configuration.json"


def parser() -> argparse.ArgumentParser:
    """The command line without commands."""
    commands = "\n".join(f"  {name:<8} {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="lightspeed-stack",
        description="An assistant that answers questions about a product from its documentation.",
        epilog=f"commands (each has its own --help):\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-v", "--verbose", action="store_true", help="log more")
    add("-d", "--dump-configuration", action="store_true", help=f"write the configuration into {DUMP_FILE}, and exit")
    add(
        "-c",
        "--config",
        dest="config_file",
        metavar="CONFIG_FILE",
        default="lightspeed-stack.yaml",
        help="configuration file (default: %(default)s)",
    )
    add(
        "-g",
        "--generate-llama-stack-configuration",
        action="store_true",
        help="generate a Llama Stack configuration, and exit",
    )
    add(
        "-i",
        "--input-config-file",
        metavar="INPUT_CONFIG_FILE",
        default="run.yaml",
        help="Llama Stack configuration to start from (default: %(default)s)",
    )
    add(
        "-o",
        "--output-config-file",
        metavar="OUTPUT_CONFIG_FILE",
        default="run_.yaml",
        help="Llama Stack configuration to write (default: %(default)s)",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def run(argv: Sequence[str]) -> int:
    """Run the program; the exit code. Raises AssistantError for what its caller reports."""
    if argv and argv[0] in COMMANDS:
        module, _ = COMMANDS[argv[0]]
        command: Callable[[list[str]], int] = getattr(importlib.import_module(module), argv[0])
        return command(list(argv[1:]))
    arguments = parser().parse_args(argv)
    from lightspeed_stack.cli import serve

    config_file = Path(arguments.config_file)
    config = serve.load(config_file)
    if arguments.dump_configuration:
        from lightspeed_stack.config.dump import dump

        try:
            Path(DUMP_FILE).write_text(dump(config), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{DUMP_FILE}: cannot be written: {error.strerror}") from error
        return 0
    if arguments.generate_llama_stack_configuration:
        from lightspeed_stack.config.llama_stack_run import generate_run_yaml

        generate_run_yaml(config, Path(arguments.input_config_file), Path(arguments.output_config_file))
        return 0
    return serve.serve(config, config_file, verbose=arguments.verbose)


def main() -> None:
    """Entry point of the console script."""
    try:
        code = run(sys.argv[1:])
    except AssistantError as error:
        print(f"{error.response}:\n{error.cause}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
