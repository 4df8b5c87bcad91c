"""Why a node takes no pods, or runs none."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.api.meta import find_condition, name_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Diagnosis, Finding, first_causes
from minikube_py.insight.why.picture import Picture, find, nearest_name

_OWN_TAINTS = "node.kubernetes.io/"
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def why_node(picture: Picture, name: str) -> Diagnosis:
    """Exists, Ready, under no pressure, open for pods, its agent and proxy at work: in this order."""
    subject = f"node {name}"
    node = find(picture.nodes, "", name)
    if node is None:
        return Diagnosis(subject, (_missing(picture, name),))
    steps = (
        lambda: not_ready(node),
        lambda: _pressed(node),
        lambda: _closed(node),
        lambda: _agent(picture, name),
        lambda: _taints(node),
    )
    return Diagnosis(subject, tuple(first_causes(steps)))


def not_ready(node: Object) -> Iterator[Finding]:
    """Whether the node's agent reports, and what."""
    name = name_of(node)
    ready = find_condition((node.get("status") or {}).get("conditions"), "Ready") or {}
    if ready.get("status") == "True":
        return
    if ready.get("status") == "Unknown" or not ready:
        cause = f"node {name} is not Ready: its agent has stopped reporting (off, cut off, or never started)"
        yield Finding("NodeSilent", cause, f"minik node start {name}, or minik node reconnect {name}")
    else:
        said = ready.get("message") or ready.get("reason") or "no reason given"
        yield Finding("NodeNotReady", f"node {name} is not Ready: {said}", f"minik logs agent-{name}")


def _missing(picture: Picture, name: str) -> Finding:
    near = nearest_name(name, map(name_of, picture.nodes))
    fix = f"did you mean {near}?" if near else "kubectl get nodes"
    return Finding("NodeMissing", f"there is no node {name}", fix)


def _pressed(node: Object) -> Iterator[Finding]:
    for kind in _PRESSURES:
        condition = find_condition((node.get("status") or {}).get("conditions"), kind) or {}
        if condition.get("status") == "True":
            yield Finding(kind, f"node {name_of(node)} reports {kind}: {condition.get('message', '')}".rstrip(": "))


def _closed(node: Object) -> Iterator[Finding]:
    name = name_of(node)
    if (node.get("spec") or {}).get("unschedulable"):
        yield Finding("NodeCordoned", f"node {name} is cordoned: no new pods go there", f"kubectl uncordon {name}")


def _agent(picture: Picture, name: str) -> Iterator[Finding]:
    if name in picture.silent:
        cause = f"the proxy on node {name} cannot be read: {picture.silent[name]}"
        fix = f"minik status; minik node start {name}, or minik node reconnect {name}"
        yield Finding("ProxyUnreachable", cause, fix)
    elif not picture.tables.get(name, {"synced": True}).get("synced"):
        cause = f"the proxy on node {name} does not have all Services and EndpointSlices yet"
        yield Finding("ProxyNotSynced", cause, f"minik logs agent-{name}")


def _taints(node: Object) -> Iterator[Finding]:
    for taint in (node.get("spec") or {}).get("taints") or ():
        if not taint["key"].startswith(_OWN_TAINTS) and taint.get("effect") != "PreferNoSchedule":
            what = f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"
            yield Finding("NodeTainted", f"only pods that tolerate {what} go to node {name_of(node)}", note=True)
