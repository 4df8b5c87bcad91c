"""Services and EndpointSlices as tests write them: short, and complete enough for the proxy and the controllers."""

from __future__ import annotations

from typing import Any

from minikube_py.api.types import Object


def service(name: str, /, *, ip: str = "10.96.0.50", ports: list[dict[str, Any]] | None = None, **spec: Any) -> Object:
    """A Service in ``default``; ``spec`` fields by their wire names, ``ingress`` for status.loadBalancer."""
    ingress = spec.pop("ingress", None)
    created = spec.pop("created", "2026-01-01T00:00:00Z")
    labels = spec.pop("labels", {})
    obj: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": name, "creationTimestamp": created, "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ports": ports or [port(80)]} | spec,
    }
    if ingress:
        obj["status"] = {"loadBalancer": {"ingress": ingress}}
    return obj


def port(number: int, *, name: str = "", protocol: str = "TCP", node_port: int = 0) -> dict[str, Any]:
    """An entry of spec.ports."""
    entry: dict[str, Any] = {"port": number, "protocol": protocol, "name": name}
    return entry | ({"nodePort": node_port} if node_port else {})


def endpoint(
    ip: str,
    *,
    node: str = "node-1",
    ready: bool = True,
    serving: bool | None = None,
    terminating: bool = False,
    zones: tuple[str, ...] = (),
    nodes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """An entry of an EndpointSlice's endpoints."""
    conditions = {"ready": ready, "serving": ready if serving is None else serving, "terminating": terminating}
    entry: dict[str, Any] = {"addresses": [ip], "nodeName": node, "conditions": conditions}
    if zones or nodes:
        entry["hints"] = {"forZones": [{"name": z} for z in zones], "forNodes": [{"name": n} for n in nodes]}
    return entry


def endpoint_slice(
    service_name: str,
    endpoints: list[dict[str, Any]],
    /,
    *,
    name: str = "",
    ports: list[dict[str, Any]] | None = None,
    family: str = "IPv4",
) -> Object:
    """An EndpointSlice of a Service in ``default``."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": name or f"{service_name}-abcde",
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": family,
        "ports": ports or [{"name": "", "protocol": "TCP", "port": 8080}],
        "endpoints": endpoints,
    }
