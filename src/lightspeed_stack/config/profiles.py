"""Profiles: the prompts of a product, in a Python or a YAML file; and system prompts in text files.

A Python profile is a module with ``PROFILE_CONFIG``, a YAML profile a mapping; both have ``system_prompts``, a mapping
of names to texts. The service knows the names ``default`` and ``topic_summary``; other keys are left alone.
"""

import importlib.machinery
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightspeed_stack.config.section import Breach, RulesBroken
from lightspeed_stack.config.source import Document, SourceError, parse_yaml, read_text
from lightspeed_stack.config.values import check_file

_MEND = "mend the profile, or remove the key to do without"


def load_profile(path: str, key: str = "") -> Mapping[str, str]:
    """The prompts of a profile, by name; never empty.

    A Python profile is run with the rights of this process. Raises RulesBroken, at ``key``, when there is no such
    file, or it cannot be run or parsed, or has no prompts.
    """
    check_file(path, "custom profile", key)
    match Path(path).suffix:
        case ".py":
            given, where = _run(path, key), "PROFILE_CONFIG"
        case ".yaml" | ".yml":
            given, where = _parse(path, key), "the file"
        case _:
            message = f"custom profile '{path}' is neither Python nor YAML"
            raise RulesBroken(Breach(message, "name a file that ends in .py, .yaml or .yml", key))
    if not isinstance(given, dict):
        raise RulesBroken(Breach(f"custom profile '{path}' is broken: {where} is not a mapping", _MEND, key))
    prompts = given.get("system_prompts")
    if not isinstance(prompts, dict) or not prompts:
        message = f"custom profile '{path}' is broken: system_prompts is not a mapping with prompts"
        raise RulesBroken(Breach(message, "write  system_prompts: {default: You are ...}  in the profile", key))
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in prompts.items()):
        message = f"custom profile '{path}' is broken: a name or prompt in system_prompts is not text"
        raise RulesBroken(Breach(message, _MEND, key))
    return dict(prompts)


def _run(path: str, key: str) -> Any:
    loader = importlib.machinery.SourceFileLoader("profile", path)
    spec = importlib.util.spec_from_file_location("profile", path, loader=loader)
    if spec is None:
        raise RulesBroken(Breach(f"custom profile '{path}' is not a Python module", _MEND, key))
    module = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the profile is somebody else's program
        # The error's text may quote a prompt, so only its kind and place are told.
        line = _line_in(path, error)
        message = f"custom profile '{path}' is broken: {type(error).__name__}{f' in line {line}' if line else ''}"
        raise RulesBroken(Breach(message, _MEND, key)) from None
    if not hasattr(module, "PROFILE_CONFIG"):
        message = f"custom profile '{path}' is broken: it does not define PROFILE_CONFIG"
        raise RulesBroken(
            Breach(message, "define  PROFILE_CONFIG = {'system_prompts': {'default': 'You are ...'}}", key)
        )
    return module.PROFILE_CONFIG


def _line_in(path: str, error: BaseException) -> int | None:
    """The last line of the profile that took part in an error."""
    if isinstance(error, SyntaxError):
        return error.lineno
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _parse(path: str, key: str) -> Any:
    return _readable(path, f"custom profile '{path}' is broken", key, parse=True).value


def read_prompt(path: Path, key: str = "") -> str:
    """The text of a system prompt without white space at its end. Raises RulesBroken, at ``key``."""
    check_file(path, "system prompt", key)
    text: str = _readable(str(path), f"system prompt '{path}' cannot be used", key, parse=False).value
    return text.rstrip()


def _readable(path: str, complaint: str, key: str, *, parse: bool) -> Document:
    try:
        text = read_text(Path(path))
        return parse_yaml(text) if parse else Document(text, {})
    except SourceError as error:
        problem = error.problems[0]
        place = f" in line {problem.line}" if problem.line else ""
        raise RulesBroken(Breach(f"{complaint}{place}: {problem.message}", problem.fix, key)) from None
