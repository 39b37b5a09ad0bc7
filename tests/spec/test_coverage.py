"""Requirements and tests cover each other."""

import ast
from pathlib import Path

from tests.spec.registry import all_requirements

TESTS = Path(__file__).parents[1]


def claimed() -> dict[str, list[str]]:
    """Requirement id → the tests that claim it, read from the source."""
    claims: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "requirement":
                for argument in node.args:
                    assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: name requirements by literal ids"
                    claims.setdefault(str(argument.value), []).append(f"{path.name}:{node.lineno}")
    return claims


def test_every_requirement_has_a_test() -> None:
    assert sorted(all_requirements().keys() - claimed().keys()) == []


def test_every_claim_is_a_requirement() -> None:
    claims = claimed()
    assert {id_: claims[id_] for id_ in claims.keys() - all_requirements().keys()} == {}


def test_every_requirement_names_a_source() -> None:
    assert [id_ for id_, it in all_requirements().items() if not it.source or not it.sentence.endswith(".")] == []
