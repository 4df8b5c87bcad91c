"""Which plugins a change in the cluster concerns: a refused pod wakes only for what may let it through."""

from __future__ import annotations

from minikube_py.api.meta import is_deleting, labels_of
from minikube_py.api.types import Object

ALL = frozenset(
    {
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "VolumeRestrictions", "VolumeBinding", "PodTopologySpread", "InterPodAffinity",
    }
)  # fmt: skip
ROOM = frozenset({"NodeResourcesFit", "NodePorts", "PodTopologySpread", "InterPodAffinity", "VolumeRestrictions"})
NEIGHBOURS = frozenset({"PodTopologySpread", "InterPodAffinity"})
VOLUMES = frozenset({"VolumeBinding", "VolumeRestrictions"})
NAMESPACE = frozenset({"InterPodAffinity"})
NOTHING: frozenset[str] = frozenset()

_LABELS = frozenset({"NodeAffinity", "PodTopologySpread", "InterPodAffinity", "VolumeBinding"})


def node_change(old: Object | None, new: Object | None) -> frozenset[str]:
    """What a node's coming, going or change can mean. A heartbeat means nothing."""
    if old is None:
        return ALL
    if new is None:
        return frozenset({"PodTopologySpread"})
    before, after = old.get("spec") or {}, new.get("spec") or {}
    plugins: frozenset[str] = NOTHING
    if _allocatable(old) != _allocatable(new):
        plugins |= {"NodeResourcesFit"}
    if labels_of(old) != labels_of(new):
        plugins |= _LABELS
    if before.get("taints") != after.get("taints"):
        plugins |= {"TaintToleration", "PodTopologySpread"}
    if before.get("unschedulable") != after.get("unschedulable"):
        plugins |= {"NodeUnschedulable"}
    return plugins


def same_demand(old: Object, new: Object) -> bool:
    """Whether a pod still wants what it wanted: its status alone has changed."""
    return (
        old.get("spec") == new.get("spec")
        and labels_of(old) == labels_of(new)
        and is_deleting(old) == is_deleting(new)
        and _resizes(old) == _resizes(new)
    )


def has_ended(pod: Object) -> bool:
    """Succeeded and Failed pods take no room."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _allocatable(node: Object) -> Object:
    status = node.get("status") or {}
    return status.get("allocatable") or status.get("capacity") or {}


def _resizes(pod: Object) -> list[Object]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [status.get("allocatedResources") or {} for status in statuses]
