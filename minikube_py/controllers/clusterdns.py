"""The Service ``kube-dns``: how tools, and kube-proxies that are not ours, find the DNS servers of the nodes.

Our nodes answer on the cluster DNS address themselves; no packet of theirs takes the way that this Service describes.
It has no selector, since the servers are no pods: each node's readiness is written into the slices here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minikube_py.api.errors import AlreadyExists
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.resources import ENDPOINTSLICES, NODES, SERVICES, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.config.parts import Network
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller

KEY = ObjectKey("kube-system", "kube-dns")
MANAGER = "clusterdns-controller.minik"
_LABELS = {
    "k8s-app": "kube-dns",
    "kubernetes.io/cluster-service": "true",
    "kubernetes.io/name": "CoreDNS",
}
_PORTS = (("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP"))


def dns_service(network: Network) -> Object:
    """The Service as it should be."""
    families = [_family(address) for address in network.dns_ips]
    ports = [{"name": name, "port": port, "protocol": kind, "targetPort": port} for name, port, kind in _PORTS]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": KEY.namespace, "name": KEY.name, "labels": dict(_LABELS)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": network.dns_ips[0],
            "clusterIPs": list(network.dns_ips),
            "ipFamilies": families,
            "ipFamilyPolicy": "SingleStack" if len(families) == 1 else "RequireDualStack",
            "ports": ports,
        },
    }


def dns_slice(nodes: Iterable[Object], family: str) -> Object:
    """The EndpointSlice of one address family ("IPv4", "IPv6") as it should be."""
    endpoints = [_endpoint(node, address) for node in nodes if (address := _address(node, family))]
    labels = {
        **_LABELS,
        "kubernetes.io/service-name": KEY.name,
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": "EndpointSlice",
        "metadata": {"namespace": KEY.namespace, "name": f"{KEY.name}-{family.lower()}", "labels": labels},
        "addressType": family,
        "ports": [{"name": name, "port": port, "protocol": kind} for name, port, kind in _PORTS],
        "endpoints": sorted(endpoints, key=lambda endpoint: str(endpoint["nodeName"])),
    }


class ClusterDNSController(Controller):
    """Keeps the Service and its slices as they should be; the one key is the Service's."""

    name = "clusterdns-controller"
    account = "cluster-dns-controller"
    workers = 1

    def __init__(self, context: Context, *, network: Network) -> None:
        super().__init__(context)
        self._network = network
        self._services = self.follow(SERVICES, _only(KEY.name))
        self._slices = self.follow(ENDPOINTSLICES, _only(f"{KEY.name}-ipv4", f"{KEY.name}-ipv6"))
        self._nodes = self.follow(NODES, lambda _: (KEY,))

    async def start(self) -> None:
        self.queue.add(KEY)
        await super().start()

    async def reconcile(self, key: ObjectKey) -> None:
        service = dns_service(self._network)
        await self._keep(SERVICES, service, self._services.get(*key))
        for family in service["spec"]["ipFamilies"]:
            wanted = dns_slice(self._nodes.list(), family)
            await self._keep(ENDPOINTSLICES, wanted, self._slices.get(KEY.namespace, name_of(wanted)))

    async def _keep(self, resource: Resource, wanted: Object, current: Object | None) -> None:
        """Create, or put back what differs from ``wanted``; what others have added besides is theirs."""
        if current is None:
            try:
                await self.writes.create(resource, wanted)
            except AlreadyExists:
                pass  # the cache lags: its event brings us back
        elif not _holds(current, wanted):
            await self.writes.patch(resource, wanted, wanted)


def _only(*names: str) -> Any:
    def mapper(obj: Object) -> Iterable[ObjectKey]:
        meta = obj["metadata"]
        return (KEY,) if meta.get("namespace") == KEY.namespace and meta.get("name") in names else ()

    return mapper


def _holds(current: Any, wanted: Any) -> bool:
    """Whether ``current`` says everything that ``wanted`` does; lists must be of one length."""
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(_holds(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        found = current or []
        return len(found) == len(wanted) and all(_holds(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(current == wanted)


def _endpoint(node: Object, address: str) -> dict[str, Any]:
    ready = condition_is_true((node.get("status") or {}).get("conditions"), "Ready")
    return {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": name_of(node),
    }


def _address(node: Object, family: str) -> str | None:
    """The node's first internal address of the family."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == "InternalIP" and _family(entry["address"]) == family:
            return str(entry["address"])
    return None


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
