"""Conditions as most kinds have them (``metav1.Condition``): ``apimachinery/pkg/apis/meta/v1/validation``."""

from __future__ import annotations

import re

from apiserver.registry.checks import Errors, Fields, check, one_of, unique
from minikube_py.api import names
from minikube_py.api.fields import invalid, required, too_long
from minikube_py.api.types import Object

_STATUSES = ("False", "True", "Unknown")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_FAULT = names.regex_message(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON.pattern,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)
_LONGEST_REASON = 1024
_LONGEST_MESSAGE = 32 * 1024


def is_true(obj: Object, kind: str) -> bool:
    """Whether the object's status has the condition, and it holds."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)


def validate_conditions(conditions: list[Fields], path: str, errors: Errors) -> None:
    """Each type once, each condition whole."""
    unique([each.get("type") or "" for each in conditions], lambda index: f"{path}[{index}]", errors)
    for index, condition in enumerate(conditions):
        _validate_condition(condition, f"{path}[{index}]", errors)


def _validate_condition(condition: Fields, path: str, errors: Errors) -> None:
    kind, status = condition.get("type"), condition.get("status")
    if not kind:
        errors.append(required(f"{path}.type", "is required"))
    else:
        check(names.qualified_name, kind, f"{path}.type", errors)
    if not status:
        errors.append(required(f"{path}.status"))
    else:
        one_of(status, _STATUSES, f"{path}.status", errors)
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        detail = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.observedGeneration", generation, detail))
    if not condition.get("lastTransitionTime"):
        errors.append(required(f"{path}.lastTransitionTime"))
    _validate_reason(condition.get("reason") or "", f"{path}.reason", errors)
    if len(condition.get("message") or "") > _LONGEST_MESSAGE:
        errors.append(too_long(f"{path}.message", _LONGEST_MESSAGE))


def _validate_reason(reason: str, path: str, errors: Errors) -> None:
    if not reason:
        errors.append(required(path))
        return
    if not _REASON.fullmatch(reason):
        errors.append(invalid(path, reason, _REASON_FAULT))
    if len(reason) > _LONGEST_REASON:
        errors.append(too_long(path, _LONGEST_REASON))
