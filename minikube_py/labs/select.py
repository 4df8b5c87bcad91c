"""Values in JSON by path: ``spec.ports[0].port``, ``endpoints[*].addresses[0]``, ``metadata.labels["a.b/c"]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r'\.?([A-Za-z_][\w-]*)|\[(\d+|\*)\]|\["([^"]*)"\]')


class PathFault(ValueError):
    """The path is not one."""


def parse(path: str) -> list[str | int]:
    """Its steps: names, indices, and "*" for every element. Raises PathFault."""
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _TOKEN.match(path, at)
        if match is None:
            raise PathFault(f"{path!r} cannot be read from {path[at:]!r} on")
        name, index, quoted = match.groups()
        steps.append(int(index) if index and index != "*" else _EVERY if index else name or quoted or "")
        at = match.end()
    return steps


#: Not a name: names cannot hold a NUL.
_EVERY = "\0*"


def values_at(item: Any, path: str) -> list[Any]:
    """The values that are there; a missing or null one is none."""
    return list(_walk(item, parse(path)))


def _walk(item: Any, steps: list[str | int]) -> Iterator[Any]:
    if item is None:
        return
    if not steps:
        yield item
        return
    first, rest = steps[0], steps[1:]
    if first == _EVERY:
        for each in item if isinstance(item, list) else ():
            yield from _walk(each, rest)
    elif isinstance(first, int):
        if isinstance(item, list) and first < len(item):
            yield from _walk(item[first], rest)
    elif isinstance(item, dict):
        yield from _walk(item.get(first), rest)
