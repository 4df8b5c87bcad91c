"""Services of every policy, all at once, and who asks them from where: what proxies are compared by.

Pure data: the objects, and per case the (origin, address) pairs to ask. Everything is on node-1 of the lab's two nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minikube_py.api.types import Object
from tests.support.netlab import NODES, PODS, SERVER_PORT
from tests.support.services import endpoint, endpoint_slice, port, service

NODE = "node-1"
NODE_IP = NODES[NODE][0]
#: Balancers' and external addresses: the lab's fabric must route them to node-1.
OUTSIDE = "203.0.113.0/24"
ZONE, OTHER_ZONE = "zone-1", "zone-2"
#: Where each address can be asked from: other nodes have no proxy in the lab.
_INSIDE = ("a", NODE)
_ANYWHERE = ("a", "c", NODE, "node-2", "world")


class Ask(NamedTuple):
    """One cell of the comparison: how it is called, and where it leads."""

    name: str
    origin: str
    ip: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Case:
    """``spec`` and ``ends`` of a Service; ``of`` the kinds of address it is asked by."""

    name: str
    number: int
    spec: dict[str, Any]
    ends: tuple[dict[str, Any], ...]
    of: tuple[str, ...]
    protocols: tuple[str, ...] = field(default=("TCP",))

    def objects(self) -> tuple[Object, Object]:
        """The Service and its EndpointSlice."""
        ports = [
            port(80, name=protocol.lower(), protocol=protocol, node_port=self._node_port())
            | {"targetPort": SERVER_PORT}
            for protocol in self.protocols
        ]
        extra: dict[str, Any] = {"externalIPs": [self._external()]} if "external" in self.of else {}
        status: dict[str, Any] = {}
        if "balancer" in self.of:
            mode = self.spec.get("ipMode", "VIP")
            status = {"ingress": [{"ip": self._balancer(), "ipMode": mode}]}
        spec = {key: value for key, value in self.spec.items() if key != "ipMode"}
        named = [{"name": kind.lower(), "protocol": kind, "port": SERVER_PORT} for kind in self.protocols]
        made = service(self.name, ip=f"10.96.2.{self.number}", ports=ports, **extra, **status, **spec)
        return made, endpoint_slice(self.name, list(self.ends), ports=named)

    def asks(self) -> Iterator[Ask]:
        """Every way to ask it."""
        for protocol in self.protocols:
            for kind in self.of:
                ip, number = self._at(kind)
                for origin in _INSIDE if kind == "cluster" else _ANYWHERE:
                    yield Ask(f"{self.name}/{protocol} {kind} from {origin}", origin, ip, number, protocol)

    def _at(self, kind: str) -> tuple[str, int]:
        if kind == "node":
            return NODE_IP, self._node_port()
        return {"cluster": f"10.96.2.{self.number}", "external": self._external(), "balancer": self._balancer()}[
            kind
        ], 80

    def _node_port(self) -> int:
        return 30200 + self.number if self.spec.get("type") in ("NodePort", "LoadBalancer") else 0

    def _external(self) -> str:
        return f"203.0.113.{self.number}"

    def _balancer(self) -> str:
        return f"203.0.113.{100 + self.number}"


def _pods(*names: str, **more: Any) -> tuple[dict[str, Any], ...]:
    return tuple(endpoint(PODS[name][1], node=PODS[name][0], **more) for name in names)


_BOTH = ("TCP", "UDP")
_LEAVING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}
_GONE: dict[str, Any] = {"ready": False, "serving": False, "terminating": True}
_LOCAL = {"externalTrafficPolicy": "Local"}
_TABLE: tuple[tuple[str, dict[str, Any], tuple[dict[str, Any], ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("spread", {}, _pods("b", "c"), ("cluster",), _BOTH),
    ("hairpin", {}, _pods("a"), ("cluster",), _BOTH),
    ("elsewhere", {}, _pods("c"), ("cluster",), ("TCP",)),
    ("empty", {}, (), ("cluster",), _BOTH),
    ("unready", {}, _pods("b", "c", ready=False), ("cluster",), ("TCP",)),
    ("leaving", {}, _pods("b", **_LEAVING) + _pods("c", **_GONE), ("cluster",), ("TCP",)),
    ("some-leaving", {}, _pods("b", **_LEAVING) + _pods("c"), ("cluster",), ("TCP",)),
    ("inner-local", {"internalTrafficPolicy": "Local"}, _pods("b", "c"), ("cluster",), _BOTH),
    ("inner-local-elsewhere", {"internalTrafficPolicy": "Local"}, _pods("c"), ("cluster",), _BOTH),
    ("inner-local-empty", {"internalTrafficPolicy": "Local"}, (), ("cluster",), ("TCP",)),
    ("inner-local-leaving", {"internalTrafficPolicy": "Local"}, _pods("b", **_LEAVING) + _pods("c"), ("cluster",),
     ("TCP",)),
    ("inner-local-unready", {"internalTrafficPolicy": "Local"}, _pods("b", ready=False) + _pods("c"), ("cluster",),
     ("TCP",)),
    ("node", {"type": "NodePort"}, _pods("b", "c"), ("cluster", "node"), _BOTH),
    ("node-hairpin", {"type": "NodePort"}, _pods("a"), ("node",), ("TCP",)),
    ("node-empty", {"type": "NodePort"}, (), ("node",), _BOTH),
    ("node-leaving", {"type": "NodePort"}, _pods("b", "c", **_LEAVING), ("node",), ("TCP",)),
    ("node-local", {"type": "NodePort"} | _LOCAL, _pods("b", "c"), ("cluster", "node"), _BOTH),
    ("node-local-elsewhere", {"type": "NodePort"} | _LOCAL, _pods("c"), ("cluster", "node"), _BOTH),
    ("node-local-empty", {"type": "NodePort"} | _LOCAL, (), ("node",), ("TCP",)),
    ("node-local-hairpin", {"type": "NodePort"} | _LOCAL, _pods("a"), ("node",), ("TCP",)),
    ("node-local-leaving", {"type": "NodePort"} | _LOCAL, _pods("b", **_LEAVING) + _pods("c"), ("node",), ("TCP",)),
    ("both-local", {"type": "NodePort", "internalTrafficPolicy": "Local"} | _LOCAL, _pods("c"), ("cluster", "node"),
     ("TCP",)),
    ("external", {}, _pods("b", "c"), ("external",), _BOTH),
    ("external-local", _LOCAL, _pods("b", "c"), ("external",), ("TCP",)),
    ("external-local-elsewhere", _LOCAL, _pods("c"), ("external",), ("TCP",)),
    ("external-empty", {}, (), ("external",), ("TCP",)),
    ("balancer", {"type": "LoadBalancer"}, _pods("b", "c"), ("balancer", "node"), _BOTH),
    ("balancer-local", {"type": "LoadBalancer"} | _LOCAL, _pods("b", "c"), ("balancer", "node"), _BOTH),
    ("balancer-local-elsewhere", {"type": "LoadBalancer"} | _LOCAL, _pods("c"), ("balancer",), ("TCP",)),
    ("balancer-empty", {"type": "LoadBalancer"}, (), ("balancer",), ("TCP",)),
    ("balancer-proxied", {"type": "LoadBalancer", "ipMode": "Proxy"}, _pods("b"), ("balancer", "node"), ("TCP",)),
    ("balancer-ranges-world", {"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.51.100.0/24"]}, _pods("b"),
     ("balancer", "node", "cluster"), _BOTH),
    ("balancer-ranges-pods", {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.244.0.0/24"]}, _pods("b"),
     ("balancer",), ("TCP",)),
    ("balancer-ranges-local", {"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.51.100.0/24"]} | _LOCAL,
     _pods("b", "c"), ("balancer",), ("TCP",)),
    ("zone-here", {}, _pods("b", zones=(ZONE,)) + _pods("c", zones=(OTHER_ZONE,)), ("cluster",), ("TCP",)),
    ("zone-elsewhere", {}, _pods("b", "c", zones=(OTHER_ZONE,)), ("cluster",), ("TCP",)),
    ("zone-partly", {}, _pods("b", zones=(ZONE,)) + _pods("c"), ("cluster",), ("TCP",)),
    ("affinity", {"sessionAffinity": "ClientIP"}, _pods("c"), ("cluster",), _BOTH),
)  # fmt: skip

CASES = tuple(
    Case(name, number, spec, ends, of, protocols)
    for number, (name, spec, ends, of, protocols) in enumerate(_TABLE, start=1)
)
