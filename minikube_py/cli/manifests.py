"""Reading manifests as ``kubectl apply -f`` finds them: files, directories, several documents, lists."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from minikube_py.api.types import Object
from minikube_py.client.manifests import ManifestFault, parse_manifests

_SUFFIXES = (".yaml", ".yml", ".json")


def read_manifests(paths: Iterable[str]) -> list[Object]:
    """Every object under ``paths`` ("-" is standard input), in order. Raises ClickException naming the file."""
    return [obj for path in paths for source, text in _sources(path) for obj in _objects(source, text)]


def _sources(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "standard input", _text("standard input", sys.stdin.buffer.read)
        return
    found = Path(path)
    if not found.exists():
        raise click.ClickException(f'the path "{path}" does not exist')
    files = [found] if found.is_file() else sorted(one for one in found.iterdir() if one.suffix in _SUFFIXES)
    for file in files:
        yield str(file), _text(str(file), file.read_bytes)


def _text(source: str, read: Callable[[], bytes]) -> str:
    try:
        return read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{source}: {error}") from error


def _objects(source: str, text: str) -> Iterator[Object]:
    try:
        yield from parse_manifests(source, text)
    except ManifestFault as fault:
        raise click.ClickException(str(fault)) from fault
