"""``$(VAR)`` references in commands, arguments, environment values and subPathExpr.

The rules are those of the ``Container.command`` field documentation: ``$(NAME)`` becomes the variable's value, a
reference to an unknown variable stays as it is written; ``$$`` is an escaped ``$`` (``$$(NAME)`` gives ``$(NAME)``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class Expansion(NamedTuple):
    """The expanded text, and the names it referred to that have no value."""

    text: str
    missing: tuple[str, ...]


def expand_reporting(text: str, values: Mapping[str, str]) -> Expansion:
    """Expand ``text`` and report the unknown names (subPathExpr refuses them, commands keep them)."""
    missing: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        if name not in values:
            missing.append(name)
            return match.group(0)
        return values[name]

    if "$" not in text:
        return Expansion(text, ())
    return Expansion(_REFERENCE.sub(replace, text), tuple(missing))


def expand(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its references replaced; unknown ones stay as written."""
    return expand_reporting(text, values).text
