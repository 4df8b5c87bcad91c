"""The shape of the source tree, held by tests: small functions, small files, one place that creates tasks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for package in ("minikube_py", "apiserver", "agent") for path in (ROOT / package).rglob("*.py"))
LONGEST_FUNCTION = 60
LONGEST_FILE = 500
#: Tables of facts, one entry a line: there is nothing in them to take apart.
TABLES = {"minikube_py/api/resources.py"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    if _name(path) not in TABLES:
        assert text.count("\n") <= LONGEST_FILE, f"{_name(path)} is longer than {LONGEST_FILE} lines"
    long = [
        f"{node.name} ({length} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, f"{_name(path)}: {', '.join(long)}"


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_only_aio_creates_tasks(path: Path) -> None:
    if _name(path).startswith("minikube_py/aio/"):
        return
    raw = {"create_task", "ensure_future"} & set(_calls(ast.parse(path.read_text())))
    assert not raw, f"{_name(path)} creates tasks itself ({', '.join(sorted(raw))}): use minikube_py.aio.tasks"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_modules_say_why_they_exist(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{_name(path)} has no docstring"
