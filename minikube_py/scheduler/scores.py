"""Scores that look at one node at a time: free resources, balance, taints, affinity preferences, images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minikube_py.api.nodeaffinity import preferred_weight
from minikube_py.api.tolerations import PREFER_NO_SCHEDULE, tolerated
from minikube_py.scheduler.snapshot import MAX_SCORE, Snapshot, normalized
from minikube_py.scheduler.views import NodeInfo, PodInfo

_COMPARED = ("cpu", "memory")
_MB = 1024 * 1024
_SMALL_IMAGE = 23 * _MB
_LARGE_IMAGE = 1000 * _MB


def least_allocated(pod: PodInfo, _snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """The share of cpu and memory that would stay free."""
    return [_free_share(pod, node) for node in nodes]


def balanced_allocation(pod: PodInfo, _snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """How alike the used shares of cpu and memory would be; pods that ask for nothing have no say."""
    if not any(name in pod.requests for name in _COMPARED):
        return None
    return [_balance(pod, node) for node in nodes]


def taint_preference(pod: PodInfo, _snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """Fewer untolerated PreferNoSchedule taints are better."""
    counts = [_disliked(pod, node) for node in nodes]
    return normalized(counts, reverse=True) if any(counts) else None


def affinity_preference(pod: PodInfo, _snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """The weights of the preferred node affinity terms that match."""
    affinity = (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    if not affinity.get("preferredDuringSchedulingIgnoredDuringExecution"):
        return None
    return normalized([preferred_weight(pod.obj, node.obj) for node in nodes])


def image_locality(pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """Nodes that have the pod's large images already; an image that is everywhere counts more, lest one is swamped."""
    containers = [*(pod.spec.get("initContainers") or ()), *(pod.spec.get("containers") or ())]
    images = [_tagged(str(container.get("image") or "")) for container in containers]
    spread = {image: sum(1 for node in snapshot.nodes if image in node.images) for image in set(images)}
    if not any(spread.values()):
        return None
    total = max(len(snapshot.nodes), 1)
    low, high = _SMALL_IMAGE, _LARGE_IMAGE * max(len(containers), 1)
    sums = [sum(node.images.get(image, 0) * spread[image] // total for image in images) for node in nodes]
    return [MAX_SCORE * (min(max(value, low), high) - low) // (high - low) for value in sums]


def _free_share(pod: PodInfo, node: NodeInfo) -> int:
    shares = []
    for name in _COMPARED:
        capacity = node.allocatable.get(name, 0)
        if capacity:
            used = node.assumed[name] + pod.assumed[name]
            shares.append(max(capacity - used, 0) * MAX_SCORE // capacity)
    return sum(shares) // len(shares) if shares else 0


def _balance(pod: PodInfo, node: NodeInfo) -> int:
    shares = []
    for name in _COMPARED:
        capacity = node.allocatable.get(name, 0)
        if capacity:
            shares.append(min((node.requested.get(name, 0) + pod.requests.get(name, 0)) / capacity, 1.0))
    if len(shares) < 2:
        return MAX_SCORE
    mean = sum(shares) / len(shares)
    deviation = math.sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))
    return int((1 - deviation) * MAX_SCORE)


def _disliked(pod: PodInfo, node: NodeInfo) -> int:
    mild = [taint for taint in node.taints if taint.get("effect") == PREFER_NO_SCHEDULE]
    return sum(1 for taint in mild if not tolerated(pod.tolerations, taint))


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
