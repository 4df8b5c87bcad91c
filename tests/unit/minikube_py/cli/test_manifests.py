"""Manifests as people have them: directories, other scripts, and what is none."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from minikube_py.cli.manifests import read_manifests

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: 中文}\n"


def test_a_directory_is_read_in_order_and_as_utf_8(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(CONFIG % name, encoding="utf-8")
    (tmp_path / "README.md").write_text("words")
    found = read_manifests([str(tmp_path)])
    assert [(one["metadata"]["name"], one["data"]["a"]) for one in found] == [("a", "中文"), ("b", "中文")]


def test_what_is_no_text_is_said_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(click.ClickException, match=r"picture.yaml: .*utf-8"):
        read_manifests([str(tmp_path)])
    with pytest.raises(click.ClickException, match="does not exist"):
        read_manifests([str(tmp_path / "missing")])
