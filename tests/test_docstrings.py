"""First lines of docstrings: a noun phrase, or a verb for a function, in words that one would search for."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TREES = ("lightning_gans", "datamodules", "experiments", "benchmarks", "tests")
RELATIVE = {"what", "who", "how", "of", "whether", "that", "which", "where", "when", "whose"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(source):
    """(line, docstring) of a module, and of all its classes and functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def riddles(source):
    """(line, first line) of the docstrings that open with a relative or interrogative word, or with "of"."""
    for line, text in docstrings(source):
        if text.split()[0].strip(",.:;").lower() in RELATIVE:
            yield line, text.partition("\n")[0]


@pytest.mark.parametrize("tree", TREES)
def test_no_docstring_opens_with_a_relative_clause(tree):
    files = sorted((ROOT / tree).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{at}: {line}" for file in files for at, line in riddles(file.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_openings_are_found_in_modules_classes_and_methods():
    source = '"""Whose turn it is."""\nclass A:\n    """Of."""\n    def a(self):\n        """Which, and why."""\n'
    assert [line for line, _ in riddles(source)] == [1, 3, 5]
    assert not [*riddles('"""Offset of the first image.\\n\\nWhat follows is free."""')]
