"""How ``kubectl get services`` shows a Service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Fields
from apiserver.registry.table import AGE, NAME, NONE, UNKNOWN, Column, Table, age, format_labels, wide
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object


def external_ip(service: Object) -> str:
    """Where the outside finds the Service; ``<pending>`` for a load balancer that has no address yet."""
    spec, kind = service.get("spec") or {}, (service.get("spec") or {}).get("type")
    given = spec.get("externalIPs") or []
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(given) or NONE
    if kind == "LoadBalancer":
        return ",".join([*balancer_addresses(service), *given]) or "<pending>"
    return spec.get("externalName") or "" if kind == "ExternalName" else UNKNOWN


def balancer_addresses(obj: Object) -> list[str]:
    """Addresses and names in status.loadBalancer, sorted."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return sorted({item.get("ip") or item.get("hostname") or "" for item in ingress} - {""})


def _port(port: Fields) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol')}"


def _cells(service: Object, now: datetime) -> list[Any]:
    spec = service.get("spec") or {}
    return [
        name_of(service),
        spec.get("type") or "",
        (spec.get("clusterIPs") or [NONE])[0],
        external_ip(service),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age(service, now),
        format_labels(spec.get("selector")),
    ]


TABLE = Table(
    (
        NAME,
        Column("Type", description="How the Service is exposed."),
        Column("Cluster-IP", description="The first address inside the cluster."),
        Column("External-IP", description="Addresses or names for traffic from outside."),
        Column("Port(s)", description="Ports, node ports and protocols."),
        AGE,
        wide("Selector", "Labels of the pods that traffic goes to."),
    ),
    _cells,
)
