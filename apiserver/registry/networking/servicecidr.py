"""ServiceCIDRs: ranges that Services' addresses come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import IMMUTABLE, Errors, check
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_PATH = "spec.cidrs"


def _cidrs(obj: Object) -> list[str]:
    found: list[str] = (obj.get("spec") or {}).get("cidrs") or []
    return found


def _validate(obj: Object, errors: Errors) -> None:
    cidrs = _cidrs(obj)
    if not cidrs:
        errors.append(required(_PATH, "at least one CIDR required"))
        return
    if len(cidrs) > 2:
        errors.append(invalid(_PATH, obj["spec"], "may only hold up to 2 values"))
        return
    before = len(errors)
    for index, text in enumerate(cidrs):
        check(names.canonical_cidr, text, f"{_PATH}[{index}]", errors)
    if len(cidrs) == 2 and len(errors) == before and (":" in cidrs[0]) == (":" in cidrs[1]):
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(invalid(_PATH, cidrs, detail))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    cidrs, before = _cidrs(new), _cidrs(old)
    second_family = len(before) == 1 and len(cidrs) == 2
    if len(cidrs) != len(before) and not second_family:
        errors.append(invalid(_PATH, cidrs, IMMUTABLE))
        return
    for index, (text, was) in enumerate(zip(cidrs, before, strict=False)):
        if text != was:
            errors.append(invalid(f"{_PATH}[{index}]", text, IMMUTABLE))
    if second_family:
        _validate(new, errors)


def _cells(obj: Object, now: datetime) -> list[Any]:
    return [name_of(obj), ",".join(_cidrs(obj)), age(obj, now)]


def strategy(resource: Resource) -> KindStrategy:
    """ServiceCIDRs."""
    return KindStrategy(
        resource=resource,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        validate_new=_validate,
        validate_change=_validate_change,
        table=Table((NAME, Column("CIDRs", description="The ranges, one of each family."), AGE), _cells),
    )
