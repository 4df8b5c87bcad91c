"""Reading manifests as ``kubectl apply -f`` finds them: files, directories, several documents, lists."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from minikube_py.api.types import Object

_SUFFIXES = (".yaml", ".yml", ".json")


def read_manifests(paths: Iterable[str]) -> list[Object]:
    """Every object under ``paths`` ("-" is standard input), in order. Raises ClickException naming the file."""
    return [obj for path in paths for source, text in _sources(path) for obj in _objects(source, text)]


def _sources(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "standard input", sys.stdin.read()
        return
    found = Path(path)
    if not found.exists():
        raise click.ClickException(f'the path "{path}" does not exist')
    files = [found] if found.is_file() else sorted(one for one in found.iterdir() if one.suffix in _SUFFIXES)
    for file in files:
        yield str(file), file.read_text()


def _objects(source: str, text: str) -> Iterator[Object]:
    try:
        documents: list[Any] = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        raise click.ClickException(f"{source}: {error}") from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
            raise click.ClickException(f"{source}: not a Kubernetes object: apiVersion and kind are needed")
        if document["kind"] == "List":
            yield from document.get("items") or []
        else:
            yield document
