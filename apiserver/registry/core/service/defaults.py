"""Defaults of Services (``SetDefaults_Service``), and the small questions about a Service that others share."""

from __future__ import annotations

from apiserver.registry.checks import Fields
from minikube_py.api.types import Object

AFFINITY_SECONDS = 10800


def default_service(service: Object) -> None:
    """Fills a Service's defaults in place. Addresses and ports are not defaults: they are allocated."""
    spec = service.setdefault("spec", {})
    _default_affinity(spec)
    kind = spec.setdefault("type", "") or "ClusterIP"
    spec["type"] = kind
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec.get("internalTrafficPolicy") is None and kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is None:
            spec["allocateLoadBalancerNodePorts"] = True
        for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip") and ingress.get("ipMode") is None:
                ingress["ipMode"] = "VIP"


def _default_affinity(spec: Fields) -> None:
    affinity = spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def externally_accessible(spec: Fields) -> bool:
    """Whether traffic from outside the cluster can reach the Service."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_cluster_ip(spec: Fields) -> bool:
    """Whether the Service is one that has (or explicitly has not) an address."""
    return spec.get("type") != "ExternalName"


def needs_node_port(spec: Fields) -> bool:
    """Whether the Service's ports are opened on the nodes."""
    return spec.get("type") in ("NodePort", "LoadBalancer")


def allocates_node_ports(spec: Fields) -> bool:
    """Whether ports without a node port are given one."""
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return spec.get("type") == "NodePort"


def needs_health_check(spec: Fields) -> bool:
    """Whether load balancers ask nodes whether they hold an endpoint."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def is_headless(spec: Fields) -> bool:
    """Whether the Service is told to have no address."""
    return spec.get("clusterIPs") == ["None"]
