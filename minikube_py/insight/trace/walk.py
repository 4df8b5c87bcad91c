"""Walks the way of a connection: names, address, policy, source, endpoints. Everything about endpoints is read from the
table of the proxy that the connection meets, so that what is shown is what is programmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.trace.path import Lookup, Origin, Outcome, Path, Source, Step

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_HOST = " (host)"
#: The proxy's reasons (`minikube_py.dataplane.model.Reason`) as a person would say them.
_REJECTED = {
    "NotReady": "not ready",
    "Terminating": "terminating, and others are ready",
    "TerminatingNotServing": "terminating, and no longer serving",
    "OtherNode": "on another node, and the policy is Local",
    "HintedForOtherNode": "hinted for clients of another node",
    "HintedForOtherZone": "hinted for clients of another zone",
    "NoSuchPort": "its EndpointSlice has no port of that name",
    "InvalidPort": "its EndpointSlice's port is invalid",
    "AddressFamily": "its address is of the other IP family",
    "NoAddress": "it has no address",
    "Duplicate": "the same address is there already",
}


class NoSuchPort(LookupError):
    """The Service has no port of the number or name that was asked for."""


def choose_port(service: Object, wanted: str) -> dict[str, Any]:
    """The Service port of that number or name; the first for "". Raises NoSuchPort."""
    ports: list[dict[str, Any]] = service["spec"].get("ports") or []
    for port in ports:
        if wanted in ("", str(port["port"]), port.get("name")):
            return port
    known = ", ".join(f"{port['port']}{' ' + port['name'] if port.get('name') else ''}" for port in ports) or "none"
    raise NoSuchPort(
        f"Service {namespace_of(service)}/{name_of(service)} has no port {wanted or 'at all'} (has: {known})"
    )


def walk(
    *,
    source: Source,
    service: Object,
    port: dict[str, Any] | None,
    lookups: Sequence[Lookup],
    table: Mapping[str, Any],
    slices: Sequence[Object],
) -> Path:
    """The way from ``source`` to ``port`` of ``service``. ``port`` is None for an ExternalName.

    ``lookups`` are the questions of the source's resolver in their order; only pods ask cluster DNS.
    """
    target = f"{namespace_of(service)}/{name_of(service)}" + (f":{port['port']}" if port else "")
    names = _names(source, service, lookups)
    found = tuple(dict.fromkeys(address for lookup in lookups for address in lookup.addresses))
    spec = service["spec"]
    if spec.get("type") == "ExternalName" or port is None:
        resolved = found or source.origin is not Origin.POD
        return Path(source, target, Outcome.ALIAS if resolved else Outcome.UNRESOLVED, (names, _alias(service)))
    if source.origin is Origin.POD and not found:
        return Path(source, target, Outcome.UNRESOLVED, (names,))
    if spec.get("clusterIP") == "None":
        return _headless(source, service, port, slices, names, target)
    route = _route(source, service, port, found, table)
    if route is None:
        lacking = Step("address", f"node {source.node} has no route for it", _why_no_route(source, service))
        return Path(source, target, Outcome.NO_ROUTE, (names, lacking))
    return _through(source, service, route, table, names, target)


def _through(
    source: Source,
    service: Object,
    route: Mapping[str, Any],
    table: Mapping[str, Any],
    names: Step,
    target: str,
) -> Path:
    """The way through a route; there is none where the node could not open its address."""
    address = _address(route, table)
    if route.get("problem"):
        return Path(source, target, Outcome.NO_ROUTE, (names, address))
    if route.get("servedBy"):
        step = Step("endpoints", f"node {source.node} itself", ("no proxy is involved: nothing is chosen",))
        return Path(source, target, Outcome.DIRECT, (names, address, step), (route["address"].rpartition("/")[0],))
    steps = (names, address, _policy(source, service), _source(source, route), _endpoints(route))
    chosen = tuple(each["address"] for each in route["endpoints"])
    return Path(source, target, Outcome(route["verdict"]), steps, chosen)


def _names(source: Source, service: Object, lookups: Sequence[Lookup]) -> Step:
    if source.origin is Origin.POD:
        answered = next((each for each in lookups if each.data and each.rcode == "NOERROR"), None)
        decision = f"{answered.name} is {', '.join(answered.data)}" if answered else "the name does not resolve"
        made_from = answered.made_from if answered else ()
        origin = (f"answered from {', '.join(made_from)}",) if made_from else ()
        return Step("name", decision, (*map(str, lookups), *origin))
    if source.origin is Origin.NODE:
        decision = f"taken from the Service: {service['spec'].get('clusterIP') or 'no address'}"
        return Step("name", decision, ("programs on a node do not ask cluster DNS",))
    return Step(
        "name", "no name: the machine reaches published ports", ("cluster DNS answers inside the cluster only",)
    )


def _alias(service: Object) -> Step:
    target = service["spec"].get("externalName", "")
    reasons = ("the Service is an ExternalName: a CNAME record, without proxy and without ports",)
    return Step("address", f"whatever {target} is", reasons)


def _headless(
    source: Source, service: Object, port: dict[str, Any], slices: Sequence[Object], names: Step, target: str
) -> Path:
    """A client of a headless Service has the pods' addresses; a machine outside the cluster has no road to them."""
    if source.origin is Origin.HOST:
        step = Step("address", "none", ("a headless Service has no address of its own to publish",))
        return Path(source, target, Outcome.NO_ROUTE, (names, step))
    everyone = bool(service["spec"].get("publishNotReadyAddresses"))
    ready: list[str] = []
    reasons: list[str] = []
    for address, endpoint in _slice_endpoints(service, port, slices):
        usable = everyone or (endpoint.get("conditions") or {}).get("ready") is not False
        (ready if usable else reasons).append(address if usable else f"{address} rejected: not ready")
    decision = f"one of {len(ready)}, at the client's choice" if ready else "none is ready"
    steps = (
        names,
        Step("address", "the endpoints' own", ("clusterIP is None: no proxy, no traffic policy, no rewriting",)),
        Step("endpoints", decision, (*(f"{each} chosen" for each in ready), *reasons)),
    )
    return Path(source, target, Outcome.DIRECT, steps, tuple(ready))


def _slice_endpoints(
    service: Object, port: dict[str, Any], slices: Sequence[Object]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in slices:
        if namespace_of(one) != namespace_of(service) or labels_of(one).get(_SERVICE_NAME_LABEL) != name_of(service):
            continue
        numbers = [
            each["port"] for each in one.get("ports") or () if (each.get("name") or "") == (port.get("name") or "")
        ]
        for endpoint in one.get("endpoints") or ():
            for number in numbers:
                address = endpoint["addresses"][0]
                yield f"[{address}]:{number}" if ":" in address else f"{address}:{number}", endpoint


def _route(
    source: Source, service: Object, port: dict[str, Any], found: Sequence[str], table: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The table's entry that the connection meets."""
    spec = service["spec"]
    wanted = found or spec.get("clusterIPs") or (spec.get("clusterIP"),)
    for route in table.get("routes") or ():
        mine = route["service"] == f"{namespace_of(service)}/{name_of(service)}"
        if not mine or route["port"] != (port.get("name") or ""):
            continue
        on_host = route["address"].endswith(_HOST)
        if source.origin is Origin.HOST and on_host and route["kind"] == "NodePort":
            return dict(route)
        if source.origin is not Origin.HOST and route["kind"] == "ClusterIP" and _ip(route["address"]) in wanted:
            return dict(route)
    return None


def _ip(address: str) -> str:
    """Of ``10.96.0.1:80/TCP`` or ``[fd00::1]:80/TCP``."""
    return address.rpartition(":")[0].strip("[]")


def _why_no_route(source: Source, service: Object) -> tuple[str, ...]:
    if source.origin is Origin.HOST:
        return ("no node port is published on the machine: make it a NodePort or a LoadBalancer",)
    return (f"ask: minik why service {name_of(service)} -n {namespace_of(service)}",)


def _address(route: Mapping[str, Any], table: Mapping[str, Any]) -> Step:
    served = route.get("servedBy") or f"the proxy of node {table['node']} ({table['mode']})"
    problem = (f"it cannot be served: {route['problem']}",) if route.get("problem") else ()
    return Step("address", f"{route['address']}, a {route['kind']}", (f"served by {served}", *problem))


def _policy(source: Source, service: Object) -> Step:
    spec = service["spec"]
    if source.origin is Origin.HOST:
        reason = "the machine's loopback is a client of the node that takes the connection, whichever that is"
        return Step("policy", "Cluster", (reason,))
    policy = spec.get("internalTrafficPolicy", "Cluster")
    which = "only endpoints of the client's own node" if policy == "Local" else "endpoints of all nodes"
    spread = spec.get("trafficDistribution")
    prefers = (f"trafficDistribution {spread} prefers near ones, by the slices' hints",) if spread else ()
    return Step("policy", policy, (f"internalTrafficPolicy counts for a {source.origin}: {which}", *prefers))


def _source(source: Source, route: Mapping[str, Any]) -> Step:
    if source.origin is Origin.POD and not source.in_node_network and route["keepSource"] != "Never":
        own = [each["address"] for each in route["endpoints"] if source.ip and _ip(each["address"]) == source.ip]
        hairpin = (f"except by {own[0]}: a pod that reaches itself sees its node",) if own else ()
        return Step("source", f"kept: {source.ip or 'the pod'} is seen", ("pods keep theirs", *hairpin))
    if source.origin is Origin.NODE or source.in_node_network:
        return Step("source", f"an address of node {source.node} is seen", ("the node itself is the client",))
    return Step(
        "source",
        "rewritten: an address of the node is seen",
        ("the proxy puts its own: the answer must come back through it",),
    )


def _endpoints(route: Mapping[str, Any]) -> Step:
    chosen = [f"{each['address']} chosen{_where(each)}" for each in route["endpoints"]]
    rejected = [
        f"{each['address']} rejected: {_REJECTED.get(each['reason'], each['reason'])}{_where(each)}"
        for each in route["excluded"]
    ]
    seconds = route.get("affinitySeconds")
    sticks = [f"session affinity: the same one for {seconds} s"] if seconds and chosen else []
    if route["verdict"] == "Forward":
        return Step("endpoints", f"one of {len(chosen)}", (*chosen, *rejected, *sticks))
    said = "refused at once" if route["verdict"] == "Reject" else "dropped: the client waits in vain"
    return Step("endpoints", f"none: the connection is {said}", tuple(rejected) or ("the Service has no endpoints",))


def _where(endpoint: Mapping[str, Any]) -> str:
    parts = [endpoint.get("target") or "", f"on {endpoint['node']}" if endpoint.get("node") else ""]
    words = " ".join(part for part in parts if part) + (", terminating" if endpoint.get("terminating") else "")
    return f" ({words})" if words else ""
