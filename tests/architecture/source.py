"""The package's source as the architecture tests read it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src" / "lightspeed_stack"


@dataclass(frozen=True, slots=True)
class Import:
    """``target`` is imported by ``module``, at ``place`` (file:line); both are dotted names."""

    module: str
    target: str
    place: str
    typing_only: bool
    """under ``if TYPE_CHECKING``: it imports nothing when the program runs"""


@cache
def source_files() -> tuple[Path, ...]:
    """Every module of the package, in order; packaged documents and pages are no modules."""
    return tuple(
        sorted(path for path in PACKAGE.rglob("*.py") if not path.relative_to(PACKAGE).parts[0].startswith("_d"))
    )


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """``…/storage/base.py`` → ``storage.base``; an ``__init__`` has its package's name, the root's is empty."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line}"


@cache
def modules() -> frozenset[str]:
    return frozenset(module_name(path) for path in source_files())


def imports() -> Iterator[Import]:
    """Every import of the package's source, those inside functions too."""
    for path in source_files():
        name = module_name(path)
        guarded = {id(inner) for node in ast.walk(tree(path)) if is_type_checking(node) for inner in ast.walk(node)}
        for node in ast.walk(tree(path)):
            for target in targets(node, path):
                line = getattr(node, "lineno", 0)
                yield Import(name, target, place(path, line), id(node) in guarded)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def targets(node: ast.AST, path: Path) -> list[str]:
    """What a statement imports, as full dotted names down to a module of ours where one is meant."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, f"{place(path, node.lineno)}: relative import; write the full name"
    base = node.module or ""
    return [deepest(base, alias.name) for alias in node.names]


def deepest(base: str, name: str) -> str:
    """``from lightspeed_stack.storage import base`` means the module, ``from … import Thing`` the module it is in."""
    full = f"{base}.{name}"
    return full if full.removeprefix("lightspeed_stack.") in modules() else base
