"""Which requests are told about, and how much of them: a ``Policy`` file of ``audit.k8s.io/v1``.

Semantics: ``k8s.io/apiserver/pkg/audit/policy/checker.go``: the first rule that matches a request decides; what no rule
matches is not told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import yaml

from apiserver.auth.identity import Identity
from apiserver.routes.request import RequestInfo

API_VERSION = "audit.k8s.io/v1"
RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
_STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)
_RULE_FIELDS = frozenset(
    {"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
     "omitManagedFields"}
)  # fmt: skip
_POLICY_FIELDS = frozenset({"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"})


class Level(IntEnum):
    """How much of a request is told."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def text(self) -> str:
        """As policies and events write it."""
        return "".join(word.capitalize() for word in self.name.split("_"))


_LEVELS = {level.text: level for level in Level}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell about one request."""

    level: Level
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


class Policy:
    """The rules. Raises ValueError for a document that is no policy."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (
            API_VERSION,
            "Policy",
        ):
            raise ValueError(f"not a Policy of {API_VERSION}")
        _no_strangers(document, _POLICY_FIELDS, "policy")
        rules = document.get("rules") or []
        if not rules:
            raise ValueError("a policy without rules would tell nothing")
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ValueError("rules is not a list of rules")
        stages = _stages(document)
        managed = bool(document.get("omitManagedFields"))
        self._rules = [_Rule(rule, stages, managed) for rule in rules]

    @classmethod
    def read(cls, path: Path) -> Policy:
        """The policy in a YAML file. Raises OSError, ValueError."""
        try:
            return cls(yaml.safe_load(path.read_text()))
        except (ValueError, yaml.YAMLError) as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def metadata(cls) -> Policy:
        """The policy of somebody who only asked for a log: the metadata of everything, once it is answered."""
        rule = {"level": "Metadata"}
        return cls({"apiVersion": API_VERSION, "kind": "Policy", "omitStages": [RECEIVED], "rules": [rule]})

    def judge(self, user: Identity, info: RequestInfo) -> Verdict:
        """What to tell about a request."""
        for rule in self._rules:
            if rule.matches(user, info):
                return rule.verdict
        return Verdict(Level.NONE)


class _Rule:
    def __init__(self, rule: Mapping[str, Any], stages: frozenset[str], managed: bool) -> None:
        _no_strangers(rule, _RULE_FIELDS, "rule")
        if rule.get("level") not in _LEVELS:
            raise ValueError(f"level {rule.get('level')!r} is none of {', '.join(_LEVELS)}")
        if rule.get("nonResourceURLs") and (rule.get("resources") or rule.get("namespaces")):
            raise ValueError("a rule is about resources or about other paths, not about both")
        self._users = rule.get("users") or ()
        self._groups = frozenset(rule.get("userGroups") or ())
        self._verbs = rule.get("verbs") or ()
        self._namespaces = rule.get("namespaces") or ()
        self._resources: Sequence[Mapping[str, Any]] = rule.get("resources") or ()
        self._paths: Sequence[str] = rule.get("nonResourceURLs") or ()
        omitted = rule.get("omitManagedFields")
        self.verdict = Verdict(
            _LEVELS[rule["level"]], stages | _stages(rule), managed if omitted is None else bool(omitted)
        )

    def matches(self, user: Identity, info: RequestInfo) -> bool:
        """Whether the rule is about this request."""
        if self._users and user.name not in self._users:
            return False
        if self._groups and not self._groups.intersection(user.groups):
            return False
        if self._verbs and info.verb not in self._verbs and "*" not in self._verbs:
            return False
        if self._namespaces or self._resources:
            return info.is_resource and self._matches_resource(info)
        if self._paths:
            return not info.is_resource and any(_path_matches(info.path, path) for path in self._paths)
        return True

    def _matches_resource(self, info: RequestInfo) -> bool:
        if self._namespaces and info.namespace not in self._namespaces:
            return False
        if not self._resources:
            return True
        return any(_group_matches(entry, info) for entry in self._resources)


def _group_matches(entry: Mapping[str, Any], info: RequestInfo) -> bool:
    if (entry.get("group") or "") != info.group:
        return False
    resources = entry.get("resources") or ()
    if not resources:
        return True
    names = entry.get("resourceNames") or ()
    if names and info.name not in names:
        return False
    full = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    wild = {full, "*", f"{info.plural}/*", *([f"*/{info.subresource}"] if info.subresource else [])}
    return not wild.isdisjoint(resources)


def _path_matches(path: str, pattern: str) -> bool:
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def _stages(holder: Mapping[str, Any]) -> frozenset[str]:
    stages = holder.get("omitStages") or []
    if strangers := [stage for stage in stages if stage not in _STAGES]:
        raise ValueError(f"stage {strangers[0]!r} is none of {', '.join(_STAGES)}")
    return frozenset(stages)


def _no_strangers(holder: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    if strangers := sorted(set(holder) - known):
        raise ValueError(f"unknown field {strangers[0]!r} in the {what}")
