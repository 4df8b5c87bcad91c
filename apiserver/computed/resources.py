"""The rows of ``metrics.k8s.io``, which upstream's metrics-server adds to a cluster, and how they print."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.table import NAME, Column, Table
from minikube_py.api.meta import name_of
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"
_READ = ("get", "list")
NODEMETRICS = Resource(_GROUP, _VERSION, "NodeMetrics", "nodes", namespaced=False, verbs=_READ)
PODMETRICS = Resource(_GROUP, _VERSION, "PodMetrics", "pods", verbs=_READ)


def _cells(metrics: Object, _now: datetime) -> list[Any]:
    """A pod's containers are added up."""
    usages = [metrics["usage"]] if "usage" in metrics else [each["usage"] for each in metrics["containers"]]
    cpu = sum(parse_quantity(usage["cpu"]) for usage in usages)
    memory = sum(parse_quantity(usage["memory"]) for usage in usages)
    return [name_of(metrics), f"{int(cpu * 10**9)}n", f"{int(memory) // 1024}Ki", metrics["window"]]


METRICS_TABLE = Table(
    (
        NAME,
        Column("cpu", description="Processor time used, in cores."),
        Column("memory", description="Memory in use that cannot be given up."),
        Column("window", description="Over how long the use was measured."),
    ),
    _cells,
)
