"""Checks of ``metav1.LabelSelector`` (``apimachinery/pkg/apis/meta/v1/validation``)."""

from __future__ import annotations

from typing import Any

from apiserver.registry.checks import Errors, Fields, check
from apiserver.registry.metadata import validate_labels
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required


def validate_label_selector(selector: Fields | None, path: str, errors: Errors) -> None:
    """matchLabels and matchExpressions of a selector that may be absent."""
    if not selector:
        return
    if labels := selector.get("matchLabels"):
        validate_labels(labels, f"{path}.matchLabels", errors)
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        validate_requirement(expression, f"{path}.matchExpressions[{index}]", errors)


def validate_requirement(expression: Fields, path: str, errors: Errors) -> None:
    """One requirement: In and NotIn need values, Exists and DoesNotExist take none."""
    operator, values = expression.get("operator"), expression.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            errors.append(
                forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
            )
    else:
        errors.append(invalid(f"{path}.operator", operator or "", "not a valid selector operator"))
    check(names.qualified_name, expression.get("key") or "", f"{path}.key", errors)
    for index, value in enumerate(values):
        check(names.label_value, value, f"{path}.values[{index}]", errors)


def is_empty(selector: Fields | None) -> bool:
    """Whether a selector has no requirement at all (and so matches everything)."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def matches(selector: Fields | None, labels: dict[str, str] | None) -> bool:
    """Whether labels satisfy a selector; an absent selector matches nothing."""
    if selector is None:
        return False
    found = labels or {}
    if any(found.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_satisfies(expression, found) for expression in selector.get("matchExpressions") or ())


def _satisfies(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    key, operator, values = expression.get("key", ""), expression.get("operator"), expression.get("values") or ()
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    return (key in labels) == (operator == "Exists")
