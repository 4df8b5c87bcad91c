"""ResourceQuota: a namespace uses no more than it may. (Its quotas' status is their controller's.)

Usage is summed in the same step as the write (``quotabooks``), so it is never out of date; upstream reserves it in the
quota's status and corrects that later. Follows ``apiserver/pkg/admission/plugin/resourcequota``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.admission.quotabooks import QuotaBooks
from apiserver.refusals import refused
from minikube_py.api.meta import name_of
from minikube_py.api.quantity import format_quantity, parse_quantity
from minikube_py.api.quotausage import Usage, matches_scopes, usage_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS
from minikube_py.api.types import Object

#: Subresources whose updates can use more.
_GROWING = {(PODS, "resize"), (PERSISTENTVOLUMECLAIMS, "status")}
#: Limits on these make every container say how much it wants.
_MUST_SPECIFY = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "cpu", "memory")


class ResourceQuota(PassivePlugin):
    """Refuses a write that would exceed a quota. ``books`` know what is used."""

    def __init__(self, books: QuotaBooks) -> None:
        self._books = books

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check the growth against every quota of the namespace. Raises Forbidden."""
        obj = attributes.obj
        if obj is None or not attributes.namespace or not _is_charged(attributes):
            return ()
        for quota in attributes.reader.list(RESOURCEQUOTAS, attributes.namespace):
            if matches_scopes(quota, attributes.resource, obj):
                self._check(attributes, quota, obj)
        return ()

    def _check(self, attributes: Attributes, quota: Object, obj: Object) -> None:
        hard: Mapping[str, Any] = (quota.get("spec") or {}).get("hard") or {}
        if attributes.operation == "CREATE" and attributes.resource is PODS:
            _check_specified(attributes, quota, hard, obj)
        growth = _growth(attributes, quota, obj)
        wanted = {name: amount for name, amount in growth.items() if name in hard and amount > 0}
        if not wanted:
            return
        used = self._books.used(quota, attributes.reader, attributes.now)
        over = sorted(name for name, amount in wanted.items() if used[name] + amount > parse_quantity(hard[name]))
        if over:
            requested = _listing({name: format_quantity(wanted[name]) for name in over})
            using = _listing({name: format_quantity(used[name]) for name in over})
            limited = _listing({name: hard[name] for name in over})
            raise refused(
                attributes.resource,
                name_of(obj),
                f"exceeded quota: {name_of(quota)}, requested: {requested}, used: {using}, limited: {limited}",
            )


def _is_charged(attributes: Attributes) -> bool:
    if attributes.subresource:
        return (attributes.resource, attributes.subresource) in _GROWING
    return attributes.operation in ("CREATE", "UPDATE")


def _growth(attributes: Attributes, quota: Object, obj: Object) -> Usage:
    """What the write adds to what the quota counts: all of an object that was not in its scope before."""
    old, before = attributes.old, Usage()
    if old is not None and matches_scopes(quota, attributes.resource, old):
        before = usage_of(attributes.resource, old, attributes.now)
    after = usage_of(attributes.resource, obj, attributes.now)
    return {name: amount - before.get(name, Decimal()) for name, amount in after.items()}


def _listing(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items())


def _check_specified(attributes: Attributes, quota: Object, hard: Mapping[str, Any], pod: Object) -> None:
    """A limit on CPU or memory makes every container say what it wants."""
    resources = pod["spec"].get("resources") or {}
    if resources.get("requests") or resources.get("limits"):
        return  # the pod as a whole says it
    missing: dict[str, list[str]] = {}
    for container in [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]:
        resources = container.get("resources") or {}
        for name in _MUST_SPECIFY:
            kind, _, resource = name.rpartition(".")
            if name in hard and resource not in (resources.get(kind or "requests") or {}):
                missing.setdefault(name, []).append(container["name"])
    if missing:
        listing = "; ".join(f"{name} for: {','.join(names)}" for name, names in sorted(missing.items()))
        raise refused(attributes.resource, name_of(pod), f"failed quota: {name_of(quota)}: must specify {listing}")
