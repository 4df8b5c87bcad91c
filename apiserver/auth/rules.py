"""RBAC rules: what one allows, and whether some cover others (``rbac.authorization.k8s.io`` PolicyRule).

Follows ``pkg/apis/rbac/v1/evaluation_helpers.go`` and ``pkg/registry/rbac/validation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apiserver.auth.access import Access

Rule = dict[str, Any]


def allows(rule: Rule, access: Access) -> bool:
    """Whether one rule allows an access."""
    if not _has(rule.get("verbs"), access.verb):
        return False
    if access.path:
        return any(_path_matches(pattern, access.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule.get("apiGroups"), access.group)
        and _resource_matches(rule.get("resources") or (), access)
        and (not names or access.name in names)
    )


def _has(allowed: Sequence[str] | None, wanted: str) -> bool:
    return bool(allowed) and allowed is not None and (wanted in allowed or "*" in allowed)


def _resource_matches(allowed: Sequence[str], access: Access) -> bool:
    if "*" in allowed or access.full_resource in allowed:
        return True
    return bool(access.subresource) and f"*/{access.subresource}" in allowed


def _path_matches(pattern: str, path: str) -> bool:
    if pattern == "*" or pattern == path:
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def uncovered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The single permissions among ``wanted`` that no rule of ``held`` covers."""
    return [single for rule in wanted for single in _singles(rule) if not any(_covers(own, single) for own in held)]


def _singles(rule: Rule) -> Iterator[Rule]:
    """A rule taken apart into single permissions."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [path]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                single: Rule = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                names = rule.get("resourceNames") or ()
                yield from ({**single, "resourceNames": [name]} for name in names)
                if not names:
                    yield single


def _covers(own: Rule, single: Rule) -> bool:
    if not _has(own.get("verbs"), single["verbs"][0]):
        return False
    if paths := single.get("nonResourceURLs"):
        return any(_path_covers(pattern, paths[0]) for pattern in own.get("nonResourceURLs") or ())
    resources, resource = own.get("resources") or (), single["resources"][0]
    if not _has(own.get("apiGroups"), single["apiGroups"][0]):
        return False
    _, slash, subresource = resource.partition("/")
    if "*" not in resources and resource not in resources and not (slash and f"*/{subresource}" in resources):
        return False
    names = own.get("resourceNames")
    return not names or (bool(single.get("resourceNames")) and single["resourceNames"][0] in names)


def _path_covers(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def describe(rule: Rule) -> str:
    """A permission as the escalation refusal shows it."""
    parts = []
    for label, key in (
        ("NonResourceURLs", "nonResourceURLs"), ("APIGroups", "apiGroups"), ("Resources", "resources"),
        ("ResourceNames", "resourceNames"), ("Verbs", "verbs"),
    ):  # fmt: skip
        if rule.get(key):
            listing = " ".join(f'"{value}"' for value in rule[key])
            parts.append(f"{label}:[{listing}]")
    return "{" + ", ".join(parts) + "}"
