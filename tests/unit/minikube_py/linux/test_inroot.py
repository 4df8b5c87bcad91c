"""Links of a foreign root do not lead out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minikube_py.linux.inroot import resolve, resolve_parent

LINKS = {"abs": "/etc", "up": "../../../..", "chain": "abs/x", "etc/deep": "../abs", "loop": "loop", "dot": "./etc/."}


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "etc").mkdir()
    for name, target in LINKS.items():
        os.symlink(target, tmp_path / name)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/", ""), ("etc/passwd", "etc/passwd"), ("/../../x", "x"), ("abs/passwd", "etc/passwd"), ("up/x", "x"),
        ("chain/y", "etc/x/y"), ("etc/deep/z", "etc/z"), ("missing/../x", "x"), ("a//./b", "a/b"), ("dot", "etc"),
    ],
)  # fmt: skip
def test_resolution(root: str, path: str, inside: str) -> None:
    assert resolve(root, path).rstrip("/") == f"{root}/{inside}".rstrip("/")


def test_the_last_part_is_kept(root: str) -> None:
    assert resolve_parent(root, "abs") == f"{root}/abs"
    assert resolve_parent(root, "up/abs") == f"{root}/abs"
    assert resolve_parent(root, "abs/..").rstrip("/") == root


def test_loops_end(root: str) -> None:
    with pytest.raises(OSError, match="too many links"):
        resolve(root, "loop/x")
