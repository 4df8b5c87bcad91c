"""Which nodes a pod's nodeSelector and node affinity allow: for scheduler, DaemonSets and the agent's admission.

Semantics: ``NodeSelector`` in the core/v1 API reference: terms are ORed, the expressions of a term are ANDed, a term
without expressions matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minikube_py.api.meta import labels_of, name_of
from minikube_py.api.types import Object

Term = Mapping[str, Any]
Expression = Mapping[str, Any]


def matches_required(pod: Object, node: Object) -> bool:
    """Whether the node satisfies the pod's ``nodeSelector`` and its *required* node affinity."""
    spec = pod.get("spec") or {}
    labels = labels_of(node)
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or matches_terms(required.get("nodeSelectorTerms") or (), node)


def matches_terms(terms: Iterable[Term], node: Object) -> bool:
    """Whether any of the terms matches the node."""
    return any(matches_term(term, node) for term in terms)


def matches_term(term: Term, node: Object) -> bool:
    """Whether every expression of the term matches; an empty term matches nothing."""
    expressions: Sequence[Expression] = term.get("matchExpressions") or ()
    fields: Sequence[Expression] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = labels_of(node)
    own = {"metadata.name": name_of(node)}
    return all(_matches(rule, labels) for rule in expressions) and all(_matches(rule, own) for rule in fields)


def preferred_weight(pod: Object, node: Object) -> int:
    """The sum of the weights of the pod's preferred terms that match; an empty preference matches every node."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    total = 0
    for choice in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
        term = choice.get("preference") or {}
        if not (term.get("matchExpressions") or term.get("matchFields")) or matches_term(term, node):
            total += int(choice.get("weight") or 0)
    return total


def _matches(rule: Expression, values: Mapping[str, str]) -> bool:
    operator, key = rule.get("operator"), str(rule.get("key") or "")
    wanted: Sequence[str] = rule.get("values") or ()
    value = values.get(key)
    if operator == "In":
        return value is not None and value in wanted
    if operator == "NotIn":
        return value is None or value not in wanted
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return operator in ("Gt", "Lt") and _compare(str(operator), value, wanted)


def _compare(operator: str, value: str | None, wanted: Sequence[str]) -> bool:
    try:
        left, right = int(value or ""), int(wanted[0])
    except (ValueError, IndexError):
        return False
    return left > right if operator == "Gt" else left < right
