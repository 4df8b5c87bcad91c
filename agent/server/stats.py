"""``/stats/summary`` and ``/metrics``: what pods and containers use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from agent.runtime.protocol import ContainerUsage
from agent.server.pods import PodDirectory, container_names
from minikube_py.api.meta import format_time, name_of, namespace_of, uid_of
from minikube_py.api.types import Object


class UsageRates:
    """CPU time as a rate, from two readings in a row."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int]] = {}

    def nanocores(self, usage: Iterable[ContainerUsage], now: float) -> dict[str, int]:
        """Nanocores by container id; a container without an earlier reading has none yet. ``now`` is monotonic."""
        rates, readings = {}, {}
        for one in usage:
            readings[one.container_id] = (now, one.cpu_nanoseconds)
            before = self._last.get(one.container_id)
            if before is not None and now > before[0]:
                rates[one.container_id] = int((one.cpu_nanoseconds - before[1]) / (now - before[0]))
            elif before is not None:
                readings[one.container_id] = before
        self._last = readings
        return rates


def summary(
    node: str, pods: PodDirectory, usage: Iterable[ContainerUsage], rates: dict[str, int], now: datetime
) -> Object:
    """The kubelet's stats summary (``statsapi.Summary``), with what is known here."""
    by_id = {one.container_id: one for one in usage}
    stamp = format_time(now)
    listed = [_pod(pod, pods, by_id, rates, stamp) for pod in pods.pods()]
    cpu = {"time": stamp, **_sum(listed, "cpu", ("usageNanoCores", "usageCoreNanoSeconds"))}
    memory = {"time": stamp, **_sum(listed, "memory", ("usageBytes", "workingSetBytes"))}
    return {"node": {"nodeName": node, "cpu": cpu, "memory": memory}, "pods": listed}


def _pod(
    pod: Object, pods: PodDirectory, usage: dict[str, ContainerUsage], rates: dict[str, int], stamp: str
) -> Object:
    seen = pods.observed(uid_of(pod))
    containers = []
    for name in container_names(pod):
        status = seen.latest(name)
        if status is not None and status.id in usage:
            containers.append(_container(name, usage[status.id], rates.get(status.id, 0), stamp))
    reference = {"name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}
    cpu = {"time": stamp, **_sum(containers, "cpu", ("usageNanoCores", "usageCoreNanoSeconds"))}
    memory = {"time": stamp, **_sum(containers, "memory", ("usageBytes", "workingSetBytes"))}
    return {"podRef": reference, "containers": containers, "cpu": cpu, "memory": memory}


def _container(name: str, usage: ContainerUsage, rate: int, stamp: str) -> Object:
    return {
        "name": name,
        "cpu": {"time": stamp, "usageNanoCores": rate, "usageCoreNanoSeconds": usage.cpu_nanoseconds},
        "memory": {"time": stamp, "usageBytes": usage.memory_bytes, "workingSetBytes": usage.memory_bytes},
    }


def _sum(parts: list[Object], group: str, names: tuple[str, ...]) -> dict[str, int]:
    return {name: sum(part[group].get(name, 0) for part in parts) for name in names}


def metrics(node: str, pods: PodDirectory, usage: Iterable[ContainerUsage], count: Callable[[], int]) -> str:
    """The text that Prometheus reads: containers' use (the kubelet's ``/metrics/resource`` names) and pod counts."""
    by_id = {one.container_id: one for one in usage}
    cpu, memory = [], []
    for pod in pods.pods():
        for name in container_names(pod):
            status = pods.observed(uid_of(pod)).latest(name)
            used = by_id.get(status.id) if status else None
            if used is None:
                continue
            labels = f'{{container="{name}",namespace="{namespace_of(pod)}",pod="{name_of(pod)}"}}'
            cpu.append(f"container_cpu_usage_seconds_total{labels} {used.cpu_nanoseconds / 1e9:.6f}")
            memory.append(f"container_memory_working_set_bytes{labels} {used.memory_bytes}")
    lines = ["# TYPE container_cpu_usage_seconds_total counter", *cpu]
    lines += ["# TYPE container_memory_working_set_bytes gauge", *memory]
    lines += ["# TYPE kubelet_running_pods gauge", f"kubelet_running_pods {len(pods.pods())}"]
    lines += ["# TYPE kubelet_running_containers gauge", f"kubelet_running_containers {count()}"]
    lines += ["# TYPE kubelet_node_name gauge", f'kubelet_node_name{{node="{node}"}} 1']
    return "\n".join(lines) + "\n"
