"""Profiles and system prompts from files."""

import pytest

from lightspeed_stack.config.assistant import CustomizationSection
from lightspeed_stack.config.dump import as_json
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

PYTHON = 'PROFILE_CONFIG = {"system_prompts": {"default": "Be kind.", "topic_summary": "Be short."}, "other": 1}\n'
YAML = "system_prompts:\n  default: Be kind.\n  topic_summary: Be short.\nquery_responses: {}\n"
PROMPTS = {"default": "Be kind.", "topic_summary": "Be short."}


def customization(files: Files, text: str) -> CustomizationSection:
    section = files.load(f"{MINIMAL}customization: {text}\n").customization
    assert section is not None
    return section


@pytest.mark.parametrize(("name", "content"), [("p.py", PYTHON), ("p.yaml", YAML), ("p.yml", YAML)])
@pytest.mark.parametrize("key", ["{profile_path: %s}", "{custom_profile: {path: %s}}"])
@requirement("config:profiles:loaded")
def test_profiles_are_loaded(files: Files, name: str, content: str, key: str) -> None:
    path = files.directory / name
    path.write_text(content)
    section = customization(files, key % path)
    assert section.custom_profile is not None
    assert section.custom_profile.prompts == PROMPTS
    shown = as_json(files.load(f"{MINIMAL}customization: {key % path}\n"))["customization"]
    assert shown["custom_profile"] == {"path": str(path), "prompts": PROMPTS}


@requirement("config:profiles:loaded", "config:system-prompt:file")
def test_a_profile_takes_precedence_over_the_prompt_file(files: Files) -> None:
    profile, prompt = files.directory / "p.yaml", files.directory / "prompt.txt"
    profile.write_text(YAML)
    prompt.write_text("From the file.")
    section = customization(files, f"{{profile_path: {profile}, system_prompt_path: {prompt}, system_prompt: literal}}")
    assert section.system_prompt == "literal"
    assert section.custom_profile is not None


@requirement("config:system-prompt:file")
def test_the_prompt_file_overwrites_the_literal_prompt(files: Files) -> None:
    prompt = files.directory / "prompt.txt"
    prompt.write_text("  Vom Bären.\n\n \t")
    section = customization(files, f"{{system_prompt_path: {prompt}, system_prompt: literal}}")
    assert section.system_prompt == "  Vom Bären."
    assert section.custom_profile is None


@requirement("config:system-prompt:file")
@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff", "in line 1: the text is not UTF-8"), (b"x" * 1_100_000, "larger than 1048576 bytes")],
)
def test_a_prompt_file_that_cannot_be_used(files: Files, content: bytes, told: str) -> None:
    prompt = files.directory / "prompt.txt"
    prompt.write_bytes(content)
    problems = files.problems(f"{MINIMAL}customization: {{system_prompt_path: {prompt}}}\n")
    assert "lightspeed-stack.yaml:6: customization.system_prompt_path: system prompt '" in problems
    assert told in problems


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.py", "PROFILE_CONFIG = {\n", "is broken: SyntaxError in line 1"),
        ("p.py", "\nimport no_such_module_here\n", "is broken: ModuleNotFoundError in line 2"),
        ("p.py", "x = undefined\n", "is broken: NameError in line 1"),
        ("p.py", "1 / 0\n", "is broken: ZeroDivisionError in line 1"),
        ("p.py", "raise SystemExit(3)\n", "is broken: SystemExit in line 1"),
        ("p.py", "raise ValueError('never shown')\n", "is broken: ValueError in line 1"),
        ("p.py", "x = 1\n", "is broken: it does not define PROFILE_CONFIG"),
        ("p.py", "PROFILE_CONFIG = []\n", "is broken: PROFILE_CONFIG is not a mapping"),
        ("p.py", "PROFILE_CONFIG = {}\n", "is broken: system_prompts is not a mapping with prompts"),
        ("p.py", "PROFILE_CONFIG = {'system_prompts': {}}\n", "system_prompts is not a mapping with prompts"),
        ("p.py", "PROFILE_CONFIG = {'system_prompts': {'a': 1}}\n", "a name or prompt in system_prompts is not text"),
        ("p.yaml", "system_prompts: [\n", "is broken in line 2: not valid YAML"),
        ("p.yaml", "system_prompts: []\n", "is broken: system_prompts is not a mapping with prompts"),
        ("p.yaml", "- a\n", "is broken: the file is not a mapping"),
        ("p.yaml", "", "is broken: the file is not a mapping"),
        ("p.yml", "system_prompts: {a: 1}\n", "a name or prompt in system_prompts is not text"),
        ("p.txt", PYTHON, "is neither Python nor YAML"),
    ],
)
@requirement("config:profiles:broken")
def test_a_broken_profile_is_a_problem(files: Files, name: str, content: str, told: str) -> None:
    path = files.directory / name
    path.write_text(content)
    problems = files.problems(f"{MINIMAL}customization:\n  profile_path: {path}\n")
    assert f"lightspeed-stack.yaml:7: customization.profile_path: custom profile '{files.directory}/{name}'" in problems
    assert told in problems
    assert "\n    fix: " in problems
    assert "never shown" not in problems
