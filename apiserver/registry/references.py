"""References to other objects, which many kinds hold: their parts must be able to stand in a URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, require_name
from minikube_py.api import names


def validate_reference(
    reference: Fields, path: str, errors: Errors, *, needed: Sequence[str] = ("kind", "name"), group: str = "apiGroup"
) -> None:
    """A reference by group and kind (or resource) and name; the group may be absent."""
    value: Any = reference.get(group)
    if value:
        check(names.dns1123_subdomain, value, f"{path}.{group}", errors)
    for part in needed:
        require_name(reference, part, path, errors, names.path_segment)
