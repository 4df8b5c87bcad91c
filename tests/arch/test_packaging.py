"""What the packages read at run time is installed with them, not only found beside them in a checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def data_files() -> list[Path]:
    """Every file of the packages that is neither code nor for readers."""
    return [
        path.relative_to(ROOT)
        for package in ("minikube_py", "apiserver", "agent")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "README.md"
    ]


def is_installed(path: Path) -> bool:
    """Whether a pattern for the package nearest to the file, or one above it, names it."""
    for folder in path.parents:
        if (ROOT / folder / "__init__.py").exists():
            patterns = [*PROJECT["package-data"]["*"], *PROJECT["package-data"].get(str(folder).replace("/", "."), [])]
            if any(path.relative_to(folder).match(pattern) for pattern in patterns):
                return True
    return False


def test_data_files_are_installed() -> None:
    files = data_files()
    assert len(files) > 50, "the search has lost its way"
    assert [str(path) for path in files if not is_installed(path)] == []
