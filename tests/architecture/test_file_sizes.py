"""A file is one concept, and a function fits on a screen."""

import ast

from tests.architecture.source import place, source_files, tree
from tests.spec.registry import requirement

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


@requirement("ground:sizes:files")
def test_files_are_short() -> None:
    lengths = {place(path, 1): len(path.read_text("utf-8").splitlines()) for path in source_files()}
    assert {where: lines for where, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


@requirement("ground:sizes:functions")
def test_functions_fit_on_a_screen() -> None:
    functions = [
        (place(path, node.lineno), node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in source_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [found for found in functions if found[2] > MAX_FUNCTION_LINES] == []
