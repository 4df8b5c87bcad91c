"""From what agents count to what is used now: processor time as a rate, in the shapes of ``metrics.k8s.io/v1beta1``.

A rate takes two readings. The earlier one is kept while it is young, so that a ``kubectl top`` that is repeated
answers at once; metrics-server reads every 15 seconds whether anybody asks or not, which an idle cluster would pay for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from apiserver.computed.resources import NODEMETRICS, PODMETRICS
from minikube_py.api.meta import format_time, labels_of, name_of
from minikube_py.api.types import Object

#: How long an earlier reading is good for. (metrics-server: readings 15 s apart, good for a minute.)
YOUNG_SECONDS = 15.0
TOO_OLD_SECONDS = 60.0


class ContainerKey(NamedTuple):
    """A container of a pod."""

    namespace: str
    pod: str
    uid: str
    container: str


class Counted(NamedTuple):
    """What a container has used so far (nanoseconds of processor time) and uses now (bytes of memory)."""

    cpu: int
    memory: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What an agent counted. ``at`` is monotonic, in seconds."""

    at: float
    containers: Mapping[ContainerKey, Counted]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the containers of a node use: nanocores and bytes of memory, over ``seconds``."""

    seconds: float
    containers: Mapping[ContainerKey, Counted]

    @property
    def window(self) -> str:
        """The time as Go writes a duration."""
        return f"{self.seconds:.3f}s"


def reading_of(summary: Object, at: float) -> Reading:
    """Read an agent's ``/stats/summary`` (the kubelet's ``statsapi.Summary``)."""
    found: dict[ContainerKey, Counted] = {}
    for pod in summary.get("pods") or ():
        reference = pod["podRef"]
        for container in pod.get("containers") or ():
            key = ContainerKey(reference["namespace"], reference["name"], reference.get("uid", ""), container["name"])
            cpu, memory = container.get("cpu") or {}, container.get("memory") or {}
            found[key] = Counted(cpu.get("usageCoreNanoSeconds", 0), memory.get("workingSetBytes", 0))
    return Reading(at, found)


def serves(base: Reading | None, now: float) -> bool:
    """Whether ``base`` is an earlier reading to measure from."""
    return base is not None and now - base.at <= TOO_OLD_SECONDS


def usage_between(base: Reading, reading: Reading) -> Usage:
    """What was used between two readings. A container that began anew counts from nothing again."""
    seconds = max(reading.at - base.at, 1e-3)
    found = {}
    for key, counted in reading.containers.items():
        before = base.containers.get(key)
        used = counted.cpu - before.cpu if before is not None and before.cpu <= counted.cpu else counted.cpu
        found[key] = Counted(int(used / seconds), counted.memory)
    return Usage(seconds, found)


def node_metrics(node: Object, usage: Usage, now: datetime) -> Object:
    """A node's use: that of its containers together."""
    total = Counted(
        sum(each.cpu for each in usage.containers.values()), sum(each.memory for each in usage.containers.values())
    )
    return _metrics(NODEMETRICS.kind, {"name": name_of(node)}, labels_of(node), usage, now) | {"usage": _usage(total)}


def pod_metrics(pods: Iterable[Object], usage: Usage, now: datetime) -> list[Object]:
    """The use of those pods that were read, container by container."""
    used: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, counted in usage.containers.items():
        used.setdefault((key.namespace, key.pod), []).append({"name": key.container, "usage": _usage(counted)})
    found = []
    for pod in pods:
        name = {"name": name_of(pod), "namespace": pod["metadata"]["namespace"]}
        containers = used.get((name["namespace"], name["name"]))
        if containers:
            metrics = _metrics(PODMETRICS.kind, name, labels_of(pod), usage, now)
            found.append(metrics | {"containers": containers})
    return found


def _metrics(kind: str, name: dict[str, str], labels: Mapping[str, str], usage: Usage, now: datetime) -> Object:
    stamp = format_time(now)
    meta = {**name, "creationTimestamp": stamp} | ({"labels": dict(labels)} if labels else {})
    head = {"kind": kind, "apiVersion": NODEMETRICS.api_version, "metadata": meta}
    return head | {"timestamp": stamp, "window": usage.window}


def _usage(counted: Counted) -> dict[str, str]:
    return {"cpu": f"{counted.cpu}n", "memory": f"{counted.memory // 1024}Ki"}
