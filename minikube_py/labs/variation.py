"""The details that differ from student to student, and how texts and manifests get them.

``${name}`` stands for a value wherever a teacher writes text. The values follow from the lab and the seed alone, so
that a teacher who knows the seed knows the student's lab.
"""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Mapping
from typing import Any

from minikube_py.labs.model import Vary

_PLACE = re.compile(r"\$\{([a-zA-Z][a-zA-Z0-9.]*)\}")

Values = Mapping[str, Any]


class UnknownValue(LookupError):
    """A text asks for a value that nobody gives."""


def choose(vary: Mapping[str, Vary], lab: str, seed: str) -> dict[str, Any]:
    """A value for every detail. Adding a detail does not change the others."""
    return {name: _one(how, random.Random(f"{lab}/{seed}/{name}")) for name, how in vary.items()}


def flat(values: Values) -> dict[str, Any]:
    """Details that belong together are chosen as one mapping: its ``port`` is ``${at.port}`` where it is named at."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = value if isinstance(value, dict) else {}
        found |= {f"{name}.{key}": each for key, each in inner.items()} or {name: value}
    return found


def fill(text: str, values: Values) -> str:
    """``text`` with every ``${name}`` replaced. Raises UnknownValue."""

    def value(match: re.Match[str]) -> str:
        try:
            return str(values[match[1]])
        except KeyError:
            raise UnknownValue(f"${{{match[1]}}} is not among {', '.join(sorted(values))}") from None

    return _PLACE.sub(value, text)


def fill_all(data: Any, values: Values) -> Any:
    """Every text in parsed YAML filled; a text that is nothing but ``${name}`` becomes the value with its type."""
    if isinstance(data, str):
        whole = _PLACE.fullmatch(data)
        return values[whole[1]] if whole and whole[1] in values else fill(data, values)
    if isinstance(data, list):
        return [fill_all(each, values) for each in data]
    if isinstance(data, dict):
        return {fill_all(key, values): fill_all(each, values) for key, each in data.items()}
    return data


def _one(how: Vary, chance: random.Random) -> Any:
    if how.choose is not None:
        return chance.choice(how.choose)
    if how.between is not None:
        return chance.randint(*how.between)
    network = ipaddress.ip_network(str(how.address_in))
    return str(network[chance.randrange(1, network.num_addresses - 1)])
