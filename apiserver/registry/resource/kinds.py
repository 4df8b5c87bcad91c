"""DeviceClasses, ResourceClaims and ResourceSlices: stored and shown; their requests are fixed once made.

Selectors in CEL are not compiled, and the finer rules of devices are not checked: nothing in minik allocates devices.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, immutable, require_name
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _fixed_spec(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("spec"), old.get("spec"), "spec", errors)


def _plain_cells(obj: Object, now: datetime) -> list[Any]:
    return [name_of(obj), age(obj, now)]


_PLAIN_TABLE = Table((NAME, AGE), _plain_cells)


def class_strategy(resource: Resource) -> KindStrategy:
    """DeviceClasses."""
    return KindStrategy(resource=resource, generation_fields=("spec",), table=_PLAIN_TABLE)


def template_strategy(resource: Resource) -> KindStrategy:
    """ResourceClaimTemplates."""
    return KindStrategy(resource=resource, defaulter=_default_template, validate_change=_fixed_spec, table=_PLAIN_TABLE)


def _default_claim(claim: Object) -> None:
    """A request without more words is for one device (``pkg/apis/resource/v1/defaults.go``)."""
    for request in ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ():
        exactly = request.get("exactly")
        for wanted in [*([exactly] if exactly is not None else []), *(request.get("firstAvailable") or ())]:
            mode = wanted.setdefault("allocationMode", "ExactCount")
            if mode == "ExactCount" and not wanted.get("count"):
                wanted["count"] = 1


def _default_template(template: Object) -> None:
    _default_claim(template.get("spec") or {})


def _claim_state(claim: Object) -> str:
    status, deleted = claim.get("status") or {}, bool(claim["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if status.get("allocation") is None:
        return ",".join(states or ["pending"])
    return ",".join([*states, "allocated", *(["reserved"] if status.get("reservedFor") else [])])


def _claim_cells(claim: Object, now: datetime) -> list[Any]:
    return [name_of(claim), _claim_state(claim), age(claim, now)]


def claim_strategy(resource: Resource) -> KindStrategy:
    """ResourceClaims."""
    state = Column("State", description="Whether it is allocated, and to whom it is reserved.")
    return KindStrategy(
        resource=resource,
        defaulter=_default_claim,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        validate_change=_fixed_spec,
        table=Table((NAME, state, AGE), _claim_cells),
    )


_POSITIVE = "must be greater than zero"
_WHERE = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_WHERE_TEXT = ", ".join(f"`{name}`" for name in _WHERE)


def _validate_slice(obj: Object, errors: Errors) -> None:
    spec = obj.get("spec") or {}
    require_name(spec, "driver", "spec", errors, names.dns1123_subdomain)
    pool = spec.get("pool") or {}
    require_name(pool, "name", "spec.pool", errors, names.path_segment)
    if (pool.get("resourceSliceCount") or 0) <= 0:
        errors.append(invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount") or 0, _POSITIVE))
    chosen = [name for name in _WHERE if spec.get(name)]
    if not chosen:
        errors.append(required("spec", f"exactly one of {_WHERE_TEXT} is required"))
    elif len(chosen) > 1:
        detail = f"exactly one of {_WHERE_TEXT} is required, but multiple fields are set"
        shown = ", ".join(f"`{name}`" for name in chosen)
        errors.append(invalid("spec", f"{{{shown}}}", detail))


def _keep_driver(new: Object, old: Object, errors: Errors) -> None:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    immutable(spec.get("driver"), before.get("driver"), "spec.driver", errors)
    pools = [(part.get("pool") or {}).get("name") for part in (spec, before)]
    immutable(pools[0], pools[1], "spec.pool.name", errors)
    immutable(spec.get("nodeName"), before.get("nodeName"), "spec.nodeName", errors)


def _slice_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name") or ""
    return [name_of(obj), spec.get("nodeName") or "", spec.get("driver") or "", pool, age(obj, now)]


_SLICE_TABLE = Table(
    (
        NAME,
        Column("Node", description="The node that has the devices."),
        Column("Driver", description="The driver that offers them."),
        Column("Pool", description="The pool they belong to."),
        AGE,
    ),
    _slice_cells,
)


def slice_strategy(resource: Resource) -> KindStrategy:
    """ResourceSlices."""
    return KindStrategy(
        resource=resource,
        generation_fields=("spec",),
        validate=_validate_slice,
        validate_change=_keep_driver,
        table=_SLICE_TABLE,
    )
