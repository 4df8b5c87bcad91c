"""Whether a Service's ports lead to ports of its pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Finding
from minikube_py.insight.why.picture import nearest_name


def port_findings(service: Object, pods: Sequence[Object]) -> Iterator[Finding]:
    """Faults of each Service port against what the containers of ``pods`` declare.

    A name must be declared, or there is no endpoint port. A number need not be: that is noted only, except where the
    same number is declared for another protocol alone.
    """
    declared = [port for pod in pods for port in container_ports(pod)]
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        if isinstance(target, str):
            yield from _named(port, target, declared)
        else:
            yield from _numbered(service, port, target, declared)


def container_ports(pod: Object) -> list[dict[str, Any]]:
    """What the pod declares: its containers' ports and those of its sidecars."""
    spec = pod.get("spec") or {}
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [port for each in (*(spec.get("containers") or ()), *sidecars) for port in each.get("ports") or ()]


def _named(port: dict[str, Any], target: str, declared: list[dict[str, Any]]) -> Iterator[Finding]:
    protocol = port.get("protocol", "TCP")
    same = [each for each in declared if each.get("name") == target]
    if any(each.get("protocol", "TCP") == protocol for each in same):
        return
    if same:
        yield _protocols(port, f'port "{target}"', same)
        return
    names = sorted({each["name"] for each in declared if each.get("name")})
    known = f"they have {', '.join(names)}" if names else "they name none"
    near = nearest_name(target, names) or (names[0] if names else "")
    fix = f"set targetPort: {near}" if near else f"name a containerPort {target}, or give targetPort as a number"
    cause = f'targetPort "{target}" of port {port["port"]} names no port of the pods\' containers ({known})'
    yield Finding("NoSuchTargetPort", cause, fix)


def _numbered(service: Object, port: dict[str, Any], target: int, declared: list[dict[str, Any]]) -> Iterator[Finding]:
    protocol = port.get("protocol", "TCP")
    same = [each for each in declared if each.get("containerPort") == target]
    if not declared or any(each.get("protocol", "TCP") == protocol for each in same):
        return
    if same and not _asked_for(service, target, same):
        yield _protocols(port, f"port {target}", same)
        return
    if same:
        return
    numbers = ", ".join(sorted({str(each["containerPort"]) for each in declared}, key=int))
    cause = f"no container declares targetPort {target} of port {port['port']} (declared: {numbers})"
    yield Finding("UndeclaredTargetPort", cause, "if nothing answers, set targetPort to a declared one", note=True)


def _asked_for(service: Object, target: int, same: list[dict[str, Any]]) -> bool:
    """Whether another Service port leads there with the declared protocol: then both are meant, as for DNS."""
    protocols = {each.get("protocol", "TCP") for each in same}
    return any(
        other.get("targetPort", other["port"]) == target and other.get("protocol", "TCP") in protocols
        for other in service["spec"]["ports"]
    )


def _protocols(port: dict[str, Any], what: str, same: list[dict[str, Any]]) -> Finding:
    have = sorted({each.get("protocol", "TCP") for each in same})
    cause = f"port {port['port']} is {port.get('protocol', 'TCP')}, but the containers declare {what} as {have[0]}"
    return Finding("ProtocolMismatch", cause, f"set protocol: {have[0]} on the Service's port, or on the container's")
