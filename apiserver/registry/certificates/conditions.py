"""Conditions of a certificate signing request: decisions stay, and only approvers make them."""

from __future__ import annotations

from datetime import datetime

from apiserver.registry.checks import Errors, Fields, same
from apiserver.registry.difference import difference
from minikube_py.api.fields import duplicate, forbidden, invalid, not_supported, required
from minikube_py.api.meta import format_time
from minikube_py.api.types import Object

_PATH = "status.conditions"
_DECISIONS = ("Approved", "Denied")
_LASTING = (*_DECISIONS, "Failed")


def conditions_of(request: Object) -> list[Fields]:
    """What stands under status.conditions."""
    found: list[Fields] = (request.get("status") or {}).get("conditions") or []
    return found


def _of_type(request: Object, kind: str) -> list[Fields]:
    return [condition for condition in conditions_of(request) if condition.get("type") == kind]


def fill_times(new: Object, old: Object, now: datetime) -> None:
    """Gives conditions without times their times: a state that was there before keeps when it began."""
    moment = format_time(now)
    for condition in conditions_of(new):
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or moment
        if not condition.get("lastTransitionTime"):
            same_state = (was for was in _of_type(old, condition["type"]) if was["status"] == condition["status"])
            began = (was["lastTransitionTime"] for was in same_state if was.get("lastTransitionTime"))
            condition["lastTransitionTime"] = next(began, moment)


def keep_decisions(new: Object, old: Object) -> None:
    """Status updates leave decisions as they were, unless they add or drop some (which validation refuses)."""
    for kind in _DECISIONS:
        before = iter(_of_type(old, kind))
        if len(_of_type(new, kind)) == len(_of_type(old, kind)):
            kept = [next(before) if item.get("type") == kind else item for item in conditions_of(new)]
            if kept:
                new["status"]["conditions"] = kept


def validate_conditions(request: Object, errors: Errors) -> None:
    """Each type once, true where only true makes sense, and not both approved and denied."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions_of(request)):
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind:
            errors.append(required(f"{_PATH}[{index}].type"))
        choices = ("True",) if kind in _LASTING else ("False", "True", "Unknown")
        if not status:
            errors.append(required(f"{_PATH}[{index}].status"))
        elif status not in choices:
            errors.append(not_supported(f"{_PATH}[{index}].status", status, choices))
        if kind in _DECISIONS and set(_DECISIONS) - {kind} <= seen:
            errors.append(invalid(_PATH, kind, "Approved and Denied conditions are mutually exclusive"))
        if kind in seen:
            errors.append(duplicate(f"{_PATH}[{index}].type", kind))
        seen.add(kind)


def validate_decisions(new: Object, old: Object, errors: Errors, *, allowed: bool) -> None:
    """Nothing lasting is taken back; decisions are new or change only where ``allowed``."""
    for kind in _LASTING:
        if len(_of_type(new, kind)) < len(_of_type(old, kind)):
            errors.append(forbidden(_PATH, f'updates may not remove a condition of type "{kind}"'))
    for kind in () if allowed else _DECISIONS:
        now, before = _of_type(new, kind), _of_type(old, kind)
        if len(now) > len(before):
            errors.append(forbidden(_PATH, f'updates may not add a condition of type "{kind}"'))
        elif len(now) == len(before) and not same(now, before):
            detail = f'updates may not modify a condition of type "{kind}"\n{difference(before, now)}'
            errors.append(forbidden(_PATH, detail))
