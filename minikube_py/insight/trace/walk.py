"""Walks the way of a connection: names, address, policy, source, endpoints. Everything about endpoints is read from the
table of the proxy that the connection meets, so that what is shown is what is programmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.trace.meeting import Meeting, Way
from minikube_py.insight.trace.path import Lookup, Origin, Outcome, Path, Source, Step
from minikube_py.insight.trace.policy import keeps_source, policy_step, side_of, source_step

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
    meeting: Meeting | None,
    lookups: Sequence[Lookup],
    tables: Mapping[str, Mapping[str, Any]],
    slices: Sequence[Object],
) -> Path:
    """The way from ``source`` to ``port`` of ``service``. ``port`` and ``meeting`` are None for an ExternalName.

    ``lookups`` are the questions of the source's resolver in their order; only pods ask cluster DNS. ``tables`` are
    those of the meeting's nodes.
    """
    target = f"{namespace_of(service)}/{name_of(service)}" + (f":{port['port']}" if port else "")
    names = _names(source, service, lookups, meeting)
    found = tuple(dict.fromkeys(address for lookup in lookups for address in lookup.addresses))
    spec = service["spec"]
    by_name = source.origin is Origin.POD and not (meeting and meeting.way is not Way.CLUSTER_IP)
    if spec.get("type") == "ExternalName" or port is None or meeting is None:
        resolved = found or source.origin is not Origin.POD
        return Path(source, target, Outcome.ALIAS if resolved else Outcome.UNRESOLVED, (names, _alias(service)))
    if by_name and not found:
        return Path(source, target, Outcome.UNRESOLVED, (names,))
    if spec.get("clusterIP") == "None":
        return _headless(source, service, port, slices, names, target)
    wanted = found or spec.get("clusterIPs") or (spec.get("clusterIP"),)
    routes = {node: _route(meeting, service, port, wanted, tables[node]) for node in meeting.nodes if node in tables}
    met = {node: route for node, route in routes.items() if route is not None}
    if not met:
        why = (f"ask: minik why service {name_of(service)} -n {namespace_of(service)}",)
        lacking = Step("address", f"node {', '.join(meeting.nodes)} has no route for it", why)
        return Path(source, target, Outcome.NO_ROUTE, (names, lacking))
    if meeting.balanced:
        return _balanced(source, service, meeting, met, names, target)
    node, route = next(iter(met.items()))
    return _through(source, service, meeting, route, tables[node], names, target)


def no_way(source: Source, service: Object, reason: str) -> Path:
    """The Service has no address by which ``source`` could come."""
    target = f"{namespace_of(service)}/{name_of(service)}"
    return Path(source, target, Outcome.NO_ROUTE, (Step("address", "none", (reason,)),))


def _through(
    source: Source,
    service: Object,
    meeting: Meeting,
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
    side = side_of(route, meeting)
    steps = (
        names,
        address,
        policy_step(source, service, meeting),
        source_step(source, meeting, route, side),
        _endpoints(side, route),
    )
    chosen = tuple(each["address"] for each in side["endpoints"])
    return Path(source, target, Outcome(side["verdict"]), steps, chosen, keeps_source(source, meeting, route))


def _balanced(
    source: Source,
    service: Object,
    meeting: Meeting,
    routes: Mapping[str, Mapping[str, Any]],
    names: Step,
    target: str,
) -> Path:
    """Through the balancer to the node port of any healthy node: under Local, one that has an endpoint."""
    local = service["spec"].get("externalTrafficPolicy") == "Local"
    sides = {node: side_of(route, meeting) for node, route in routes.items()}
    healthy = {node: side for node, side in sides.items() if side["verdict"] == "Forward" or not local}
    told = (
        *(f"{node} chosen" for node in healthy),
        *(f"{node} rejected: no endpoint there, its health check says so" for node in sides if node not in healthy),
    )
    address = Step("address", f"{meeting.ip}:{meeting.number}, a LoadBalancer", ("served by the cluster's balancer",))
    decision = f"node port of one of {len(healthy)} nodes" if healthy else "no node is healthy"
    begun = (names, address, Step("balancer", decision, told))
    if not healthy:
        return Path(source, target, Outcome.REJECT, begun)
    node, side = next(iter(healthy.items()))
    route = routes[node]
    chosen = tuple(dict.fromkeys(each["address"] for one in healthy.values() for each in one["endpoints"]))
    steps = (
        *begun,
        policy_step(source, service, meeting),
        source_step(source, meeting, route, side),
        *_by_node(healthy, routes),
    )
    outcome = Outcome(side["verdict"])
    return Path(source, target, outcome, steps, chosen, keeps_source(source, meeting, route))


def _by_node(sides: Mapping[str, Mapping[str, Any]], routes: Mapping[str, Mapping[str, Any]]) -> list[Step]:
    """What each node has for the connection; once, where all have the same."""
    first = next(iter(sides))
    if all(_addresses(side) == _addresses(sides[first]) for side in sides.values()):
        return [_endpoints(sides[first], routes[first], where="by way of any of them")]
    return [_endpoints(side, routes[node], where=f"by way of {node}") for node, side in sides.items()]


def _addresses(side: Mapping[str, Any]) -> set[str]:
    return {each["address"] for each in side["endpoints"]}


def _names(source: Source, service: Object, lookups: Sequence[Lookup], meeting: Meeting | None) -> Step:
    if meeting is not None and meeting.way is not Way.CLUSTER_IP:
        address = f"{meeting.ip or 'the loopback'}:{meeting.number}"
        return Step("name", f"no name: {address} is used as it is", ("cluster DNS gives cluster IPs only",))
    if source.origin is Origin.POD:
        answered = next((each for each in lookups if each.data and each.rcode == "NOERROR"), None)
        decision = f"{answered.name} is {', '.join(answered.data)}" if answered else "the name does not resolve"
        made_from = answered.made_from if answered else ()
        origin = (f"answered from {', '.join(made_from)}",) if made_from else ()
        return Step("name", decision, (*map(str, lookups), *origin))
    decision = f"taken from the Service: {service['spec'].get('clusterIP') or 'no address'}"
    return Step("name", decision, ("only pods ask cluster DNS",))


def _alias(service: Object) -> Step:
    target = service["spec"].get("externalName", "")
    reasons = ("the Service is an ExternalName: a CNAME record, without proxy and without ports",)
    return Step("address", f"whatever {target} is", reasons)


def _headless(
    source: Source, service: Object, port: dict[str, Any], slices: Sequence[Object], names: Step, target: str
) -> Path:
    """A client of a headless Service has the pods' addresses; a machine outside the cluster has no road to them."""
    if source.origin in (Origin.HOST, Origin.OUTSIDE):
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
    meeting: Meeting, service: Object, port: dict[str, Any], wanted: Sequence[str], table: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The table's entry that the connection meets."""
    for route in table.get("routes") or ():
        mine = route["service"] == f"{namespace_of(service)}/{name_of(service)}"
        if not mine or route["port"] != (port.get("name") or "") or route["kind"] != meeting.kind:
            continue
        if route["address"].endswith(_HOST) is not meeting.on_host:
            continue
        ip = _ip(route["address"])
        named = meeting.kind == Way.CLUSTER_IP.kind
        if meeting.on_host or (ip in wanted if named else meeting.balanced or ip == meeting.ip):
            return dict(route)
    return None


def _ip(address: str) -> str:
    """Of ``10.96.0.1:80/TCP`` or ``[fd00::1]:80/TCP``."""
    return address.rpartition(":")[0].strip("[]")


def _address(route: Mapping[str, Any], table: Mapping[str, Any]) -> Step:
    served = route.get("servedBy") or f"the proxy of node {table['node']} ({table['mode']})"
    problem = (f"it cannot be served: {route['problem']}",) if route.get("problem") else ()
    return Step("address", f"{route['address']}, a {route['kind']}", (f"served by {served}", *problem))


def _endpoints(side: Mapping[str, Any], route: Mapping[str, Any], where: str = "") -> Step:
    by = f"{where}: " if where else ""
    chosen = [f"{each['address']} chosen{_where(each)}" for each in side["endpoints"]]
    rejected = [
        f"{each['address']} rejected: {_REJECTED.get(each['reason'], each['reason'])}{_where(each)}"
        for each in side["excluded"]
    ]
    seconds = route.get("affinitySeconds")
    sticks = [f"session affinity: the same one for {seconds} s"] if seconds and chosen else []
    if side["verdict"] == "Forward":
        return Step("endpoints", f"{by}one of {len(chosen)}", (*chosen, *rejected, *sticks))
    said = "refused at once" if side["verdict"] == "Reject" else "dropped: the client waits in vain"
    return Step(
        "endpoints", f"{by}none: the connection is {said}", tuple(rejected) or ("the Service has no endpoints",)
    )


def _where(endpoint: Mapping[str, Any]) -> str:
    parts = [endpoint.get("target") or "", f"on {endpoint['node']}" if endpoint.get("node") else ""]
    words = " ".join(part for part in parts if part) + (", terminating" if endpoint.get("terminating") else "")
    return f" ({words})" if words else ""
