"""The picture itself, before anybody draws it: Services lead to slices, slices to endpoints, endpoints lie on nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.why.picture import SERVICE_NAME_LABEL, is_finished


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address in a slice. ``state`` is ready, not ready, or terminating; ``pod`` and ``node`` may be ""."""

    address: str
    state: str
    pod: str = ""
    node: str = ""

    @property
    def label(self) -> str:
        """The pod's name, or the address where there is no pod."""
        return self.pod or self.address


@dataclass(frozen=True, slots=True)
class SliceBox:
    """An EndpointSlice."""

    name: str
    ports: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class ServiceBox:
    """A Service. ``detail`` says its type, addresses and ports in a line."""

    namespace: str
    name: str
    detail: str
    slices: tuple[SliceBox, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """``loose`` are pods that are behind no Service: (namespace, pod, node)."""

    services: tuple[ServiceBox, ...]
    nodes: tuple[str, ...]
    loose: tuple[tuple[str, str, str], ...] = field(default=())


def draw(
    *, services: Iterable[Object], slices: Sequence[Object], pods: Iterable[Object], nodes: Iterable[Object]
) -> Graph:
    """The picture of these objects. A slice without its Service is left out, as the proxies leave it."""
    boxes = tuple(_service(each, slices) for each in sorted(services, key=_place))
    behind = {
        (box.namespace, endpoint.pod)
        for box in boxes
        for one in box.slices
        for endpoint in one.endpoints
        if endpoint.pod
    }
    loose = tuple(
        (namespace_of(pod), name_of(pod), str((pod.get("spec") or {}).get("nodeName") or ""))
        for pod in sorted(pods, key=_place)
        if (namespace_of(pod), name_of(pod)) not in behind and not is_finished(pod)
    )
    return Graph(boxes, tuple(sorted(map(name_of, nodes))), loose)


def _service(service: Object, slices: Sequence[Object]) -> ServiceBox:
    mine = [
        _slice(each)
        for each in sorted(slices, key=_place)
        if namespace_of(each) == namespace_of(service) and labels_of(each).get(SERVICE_NAME_LABEL) == name_of(service)
    ]
    return ServiceBox(namespace_of(service), name_of(service), _detail(service), tuple(mine))


def _detail(service: Object) -> str:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return f"ExternalName {spec.get('externalName', '')}"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    address = "headless" if spec.get("clusterIP") == "None" else str(spec.get("clusterIP") or "no address")
    outside = [str(each["ip"]) for each in ingress if each.get("ip")] + list(spec.get("externalIPs") or ())
    ports = ", ".join(_port(port) for port in spec.get("ports") or ())
    return " ".join(word for word in (spec.get("type", "ClusterIP"), address, *outside, ports) if word)


def _port(port: dict[str, object]) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _slice(one: Object) -> SliceBox:
    ports = ", ".join(str(port.get("port") or "?") for port in one.get("ports") or ()) or "no port"
    return SliceBox(name_of(one), ports, tuple(_endpoint(each) for each in one.get("endpoints") or ()))


def _endpoint(endpoint: Object) -> Endpoint:
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False
    state = "terminating" if conditions.get("terminating") else "ready" if ready else "not ready"
    target = endpoint.get("targetRef") or {}
    pod = str(target.get("name") or "") if target.get("kind") == "Pod" else ""
    return Endpoint(endpoint["addresses"][0], state, pod, str(endpoint.get("nodeName") or ""))


def _place(obj: Object) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)
