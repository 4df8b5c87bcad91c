"""EndpointSlices against what they are made for: hand-made ones, stale ones, and the proxies' tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Finding
from minikube_py.insight.why.picture import SERVICE_NAME_LABEL, Picture, full_name


def slices_of(picture: Picture, service: Object) -> list[Object]:
    """The slices that are the Service's by their label."""
    return [
        each
        for each in picture.slices
        if namespace_of(each) == namespace_of(service) and labels_of(each).get(SERVICE_NAME_LABEL) == name_of(service)
    ]


def is_usable(endpoint: Mapping[str, Any]) -> bool:
    """Whether the endpoint takes new connections; a missing condition means yes (discovery.k8s.io/v1)."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def hand_made(picture: Picture, service: Object) -> Iterator[Finding]:
    """For a Service without selector: whether somebody wrote slices, and for this Service."""
    slices = slices_of(picture, service)
    if not slices:
        yield _unlabelled(picture, service)
        return
    if not any(is_usable(each) for one in slices for each in one.get("endpoints") or ()):
        yield Finding(
            "NoReadyEndpoints",
            f"the hand-made EndpointSlices ({', '.join(map(name_of, slices))}) hold no ready endpoint",
            "add addresses to their endpoints",
        )
        return
    yield from port_names(service, slices)


def port_names(service: Object, slices: Sequence[Object]) -> Iterator[Finding]:
    """A slice's port belongs to the Service port of the same name and protocol."""
    have = {(each.get("name") or "", each.get("protocol", "TCP")) for one in slices for each in one.get("ports") or ()}
    for port in service["spec"].get("ports") or ():
        wanted = (port.get("name") or "", port.get("protocol", "TCP"))
        if wanted in have:
            continue
        known = ", ".join(f'"{name}" ({protocol})' for name, protocol in sorted(have)) or "none"
        cause = (
            f'no EndpointSlice has a port named "{wanted[0]}" ({wanted[1]}) for port {port["port"]}; they have {known}'
        )
        yield Finding("SlicePortName", cause, "give the slice's port the name and protocol of the Service's port")


def _unlabelled(picture: Picture, service: Object) -> Finding:
    name = name_of(service)
    near = [each for each in picture.slices if namespace_of(each) == namespace_of(service) and _is_stray(picture, each)]
    near.sort(key=lambda each: not name_of(each).startswith(name))
    if near:
        label = labels_of(near[0]).get(SERVICE_NAME_LABEL)
        has = f"has {SERVICE_NAME_LABEL}={label}" if label else f"lacks the label {SERVICE_NAME_LABEL}"
        cause = f"the Service has no selector, and the hand-made EndpointSlice {name_of(near[0])} {has}"
        return Finding("SliceWithoutServiceName", cause, f"label the slice {SERVICE_NAME_LABEL}={name}")
    cause = "the Service has no selector, and nobody made an EndpointSlice for it"
    return Finding(
        "NoSelector", cause, f"add a selector; or an EndpointSlice with the label {SERVICE_NAME_LABEL}={name}"
    )


def _is_stray(picture: Picture, one: Object) -> bool:
    """A slice that belongs to no Service there is."""
    label = labels_of(one).get(SERVICE_NAME_LABEL)
    return not label or not any(
        name_of(each) == label and namespace_of(each) == namespace_of(one) for each in picture.services
    )


def stale(picture: Picture, service: Object, pods: Sequence[Object]) -> Iterator[Finding]:
    """Ready pods that are in none of the Service's slices: the controllers are behind, or not running."""
    known = {
        address
        for one in slices_of(picture, service)
        for each in one["endpoints"] or ()
        for address in each["addresses"]
    }
    missing = [pod for pod in pods if (pod.get("status") or {}).get("podIP") not in known]
    if missing:
        cause = f"ready pods are in none of the Service's EndpointSlices: {', '.join(map(name_of, missing))}"
        yield Finding("SlicesBehind", cause, "minik status; minik logs controlplane")


def disagreeing(picture: Picture, service: Object) -> Iterator[Finding]:
    """Each node's table against the slices: what is missing, and what a node could not set up."""
    for node, table in sorted(picture.tables.items()):
        yield from _on_node(picture, service, node, table)
    for node, words in sorted(picture.silent.items()):
        yield _silent(picture, service, node, words)


def _silent(picture: Picture, service: Object, node: str, words: str) -> Finding:
    """A Ready node that does not answer: grave only where some of the Service's endpoints are on it."""
    there = any(
        each.get("nodeName") == node and is_usable(each)
        for one in slices_of(picture, service)
        for each in one.get("endpoints") or ()
    )
    share = "; endpoints of the Service are there, and connections to them may fail" if there else ""
    cause = f"node {node} does not answer{share}: {words}"
    return Finding("ProxyUnreachable", cause, f"minik why node {node}", note=not there)


def routes_of(table: Mapping[str, Any], service: Object) -> list[Mapping[str, Any]]:
    """The Service's routes in a table."""
    return [route for route in table.get("routes") or () if route["service"] == full_name(service)]


def _on_node(picture: Picture, service: Object, node: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    logs = f"minik logs agent-{node}"
    if not table.get("synced"):
        yield Finding("ProxyNotSynced", f"the proxy on node {node} does not have everything yet", logs)
        return
    routes = routes_of(table, service)
    for route in routes:
        if route.get("problem"):
            yield Finding("ProxyProblem", f"node {node} cannot serve {route['address']}: {route['problem']}", logs)
    for route in (each for each in table.get("shadowed") or () if each["service"] == full_name(service)):
        cause = f"on node {node}, {route['address']} is taken by another Service"
        yield Finding("AddressTaken", cause, "use another port or external IP")
    health = str(service["spec"].get("healthCheckNodePort") or "")
    if health in (table.get("healthProblems") or {}):
        cause = f"node {node} cannot open health check port {health}: {table['healthProblems'][health]}"
        yield Finding("HealthPortProblem", cause, "free the port on the node")
    yield from _compare(picture, service, node, [each for each in routes if each["kind"] == "ClusterIP"])


def _compare(picture: Picture, service: Object, node: str, routes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    served = {route["port"] for route in routes}
    lacking = [port for port in service["spec"].get("ports") or () if (port.get("name") or "") not in served]
    if lacking:
        cause = f"the proxy on node {node} has no route for port {', '.join(str(port['port']) for port in lacking)}"
        yield Finding("ProxyDisagrees", cause, f"minik logs agent-{node}")
        return
    for route in routes:
        shown = {each["address"] for each in (*route["endpoints"], *route["excluded"])}
        expected = _addresses(slices_of(picture, service), route)
        if not expected <= shown:
            cause = (
                f"the proxy on node {node} does not know {', '.join(sorted(expected - shown))} for {route['address']}"
            )
            yield Finding("ProxyDisagrees", cause, f"minik logs agent-{node}")


def _addresses(slices: Sequence[Object], route: Mapping[str, Any]) -> set[str]:
    """``ip:port`` of the usable endpoints for the route's port, of its address family."""
    family = "IPv6" if route["address"].startswith("[") else "IPv4"
    protocol = route["address"].split()[0].rpartition("/")[2]
    return {
        f"[{address}]:{port['port']}" if ":" in address else f"{address}:{port['port']}"
        for one in slices
        if one.get("addressType") == family
        for port in one.get("ports") or ()
        if (port.get("name") or "") == route["port"] and port.get("protocol", "TCP") == protocol and port.get("port")
        for each in one.get("endpoints") or ()
        if is_usable(each)
        for address in each["addresses"][:1]
    }
