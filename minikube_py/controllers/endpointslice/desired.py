"""From a Service and its pods to the endpoints there should be. Pure.

Semantics: k8s.io/endpointslice ``utils.go``. Everything here is also what the older Endpoints objects are made of.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from minikube_py.api.meta import is_deleting, labels_of, name_of, namespace_of, uid_of
from minikube_py.api.types import Object
from minikube_py.controllers.podstate import has_ended, is_ready, node_of

IPV4, IPV6 = "IPv4", "IPv6"
ZONE = "topology.kubernetes.io/zone"
#: One port of a slice: name, number, protocol, application protocol.
Port = tuple[str, int | None, str, str | None]
#: The ports of a slice, in order: slices are grouped by it.
Ports = tuple[Port, ...]


class EndpointKey(NamedTuple):
    """What makes two endpoints the same one, in whatever condition."""

    addresses: tuple[str, ...]
    hostname: str
    namespace: str
    name: str


def key_of_endpoint(endpoint: Object) -> EndpointKey:
    """The identity of an endpoint of a slice."""
    target = endpoint.get("targetRef") or {}
    return EndpointKey(
        tuple(sorted(endpoint.get("addresses") or ())),
        endpoint.get("hostname") or "",
        target.get("namespace") or "",
        target.get("name") or "",
    )


def address_types(service: Object) -> list[str]:
    """The families in which the Service is served."""
    spec = service.get("spec") or {}
    families = [family for family in spec.get("ipFamilies") or () if family in (IPV4, IPV6)]
    if families:
        return families
    address = spec.get("clusterIP") or ""
    if address and address != "None":
        return [IPV6 if ":" in address else IPV4]
    return [IPV4, IPV6]


def is_headless(service: Object) -> bool:
    """Whether the Service has no address of its own."""
    return (service.get("spec") or {}).get("clusterIP") in (None, "", "None")


def belongs(pod: Object, *, include_terminating: bool) -> bool:
    """Whether the pod is an endpoint at all: it has an address and may still answer."""
    status = pod.get("status") or {}
    if has_ended(pod) or not (status.get("podIP") or status.get("podIPs")):
        return False
    return include_terminating or not is_deleting(pod)


def matches(service: Object, pod: Object) -> bool:
    """Whether the Service selects the pod. No selector selects nothing."""
    selector: dict[str, str] = (service.get("spec") or {}).get("selector") or {}
    labels = labels_of(pod)
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def pod_addresses(pod: Object, family: str) -> list[str]:
    """The pod's addresses of one family, in canonical form."""
    status = pod.get("status") or {}
    listed = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    return [_canonical(ip) for ip in listed if ip and (":" in ip) == (family == IPV6)]


def find_port(pod: Object, service_port: Object) -> int | None:
    """The number behind a targetPort; None where the pod has no port of that name."""
    target = service_port.get("targetPort", service_port.get("port"))
    if isinstance(target, int):
        return target or service_port.get("port")
    spec = pod.get("spec") or {}
    sidecars = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and _protocol(port) == _protocol(service_port):
                return int(port["containerPort"])
    return None


def ports_for(service: Object, pod: Object) -> Ports:
    """The Service's ports as this pod has them; a named port that the pod lacks is left out."""
    found: list[Port] = []
    for port in (service.get("spec") or {}).get("ports") or ():
        number = find_port(pod, port)
        if number is not None:
            found.append((port.get("name") or "", number, _protocol(port), port.get("appProtocol")))
    return tuple(sorted(found, key=str))


def ports_of(listed: Iterable[Object] | None) -> Ports:
    """The ports of a slice or of a subset, for comparison."""
    found = [
        (port.get("name") or "", port.get("port"), _protocol(port), port.get("appProtocol")) for port in listed or ()
    ]
    return tuple(sorted(found, key=str))


def port_objects(ports: Ports) -> list[Object]:
    """The ports as a slice carries them."""
    listed: list[Object] = []
    for name, number, protocol, application in ports:
        entry: Object = {"name": name, "port": number, "protocol": protocol}
        listed.append(entry | ({"appProtocol": application} if application else {}))
    return listed


def endpoint_of(service: Object, pod: Object, node: Object | None, family: str) -> Object:
    """The endpoint that the pod is. A terminating pod is never ready, unless unready ones are published."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    publish = bool((service.get("spec") or {}).get("publishNotReadyAddresses"))
    endpoint: Object = {
        "addresses": pod_addresses(pod, family),
        "conditions": {
            "ready": publish or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target_ref(pod),
    }
    if node_of(pod):
        endpoint["nodeName"] = node_of(pod)
    zone = labels_of(node or {}).get(ZONE)
    if zone:
        endpoint["zone"] = zone
    hostname = hostname_of(service, pod)
    return endpoint | ({"hostname": hostname} if hostname else {})


def target_ref(pod: Object) -> dict[str, Any]:
    """The reference to the pod behind an endpoint."""
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def hostname_of(service: Object, pod: Object) -> str:
    """The name under which DNS shows the pod in this Service's subdomain, "" for none."""
    spec = pod.get("spec") or {}
    own = spec.get("subdomain") == name_of(service) and namespace_of(pod) == namespace_of(service)
    return str(spec.get("hostname") or "") if own else ""


class Desired(NamedTuple):
    """Endpoints by the ports they have, and whether some had to wait for their node to be known."""

    by_ports: dict[Ports, dict[EndpointKey, Object]]
    incomplete: bool


def desired_endpoints(
    service: Object, pods: Iterable[Object], node: Callable[[str], Object | None], family: str
) -> Desired:
    """The endpoints of one family."""
    publish = bool((service.get("spec") or {}).get("publishNotReadyAddresses"))
    found: dict[Ports, dict[EndpointKey, Object]] = {}
    incomplete = False
    for pod in pods:
        if not belongs(pod, include_terminating=True):
            continue
        group = found.setdefault(ports_for(service, pod), {})
        place = node(node_of(pod))
        if place is None and not publish:
            incomplete = True
            continue
        endpoint = endpoint_of(service, pod, place, family)
        if endpoint["addresses"]:
            group[key_of_endpoint(endpoint)] = endpoint
    return Desired(found, incomplete)


def membership_changed(old: Object, new: Object) -> bool:
    """Whether a pod's change can change any slice: most status updates cannot."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    return (
        labels_of(old) != labels_of(new)
        or is_ready(old) != is_ready(new)
        or is_deleting(old) != is_deleting(new)
        or has_ended(old) != has_ended(new)
        or (old.get("status") or {}).get("podIPs") != (new.get("status") or {}).get("podIPs")
        or (old.get("status") or {}).get("podIP") != (new.get("status") or {}).get("podIP")
        or any(before.get(name) != after.get(name) for name in ("hostname", "subdomain", "nodeName"))
    )


def _protocol(port: Object) -> str:
    return str(port.get("protocol") or "TCP")


def _canonical(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
