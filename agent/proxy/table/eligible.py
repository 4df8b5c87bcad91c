"""Which endpoints of a Service port a policy admits on this node, and why it does not admit the others.

The rules are those of kube-proxy: readiness, the fallback to terminating endpoints (KEP-1669), the Local policies
(KEP-2086 and the Service API), and zone and node hints (KEP-2433, KEP-3015), which count only when every ready
endpoint carries one and at least one of them points here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.proxy.table.views import Node, ServicePort, Slice
from minikube_py.dataplane.model import Endpoint, Exclusion, Reason


class Selection(NamedTuple):
    """The endpoints that a policy admits, and the rest."""

    endpoints: tuple[Endpoint, ...]
    excluded: tuple[Exclusion, ...]


def gather(
    slices: Iterable[Slice], *, port: ServicePort, family: str, node: str
) -> tuple[list[Endpoint], list[Exclusion]]:
    """All endpoints of one port over all slices, merged by address, and those that can never serve it.

    Where slices disagree about an address the one that says it is on this node wins, as in kube-proxy; otherwise the
    slice that comes first by name, so that the result does not depend on the order of events.
    """
    found: dict[tuple[str, int], Endpoint] = {}
    excluded: list[Exclusion] = []
    for piece in sorted(slices, key=lambda each: each.name):
        for endpoint, reason in _of_slice(piece, port=port, family=family, node=node):
            known = found.get(endpoint.address)
            if reason is not None:
                excluded.append(Exclusion(endpoint, reason))
            elif known is None or (endpoint.local and not known.local):
                found[endpoint.address] = endpoint
            elif known != endpoint:
                excluded.append(Exclusion(endpoint, Reason.DUPLICATE))
    return sorted(found.values(), key=lambda each: each.address), excluded


def _of_slice(piece: Slice, *, port: ServicePort, family: str, node: str) -> Iterable[tuple[Endpoint, Reason | None]]:
    numbers = [number for name, protocol, number in piece.ports if (name, protocol) == (port.name, port.protocol)]
    for entry in piece.endpoints:
        reason = None
        if piece.family != family:
            reason = Reason.ADDRESS_FAMILY
        elif not entry.ip:
            reason = Reason.NO_ADDRESS
        elif not numbers:
            reason = Reason.PORT_NAME
        for number in numbers or [0]:
            endpoint = Endpoint(
                ip=entry.ip,
                port=number,
                ready=entry.ready,
                serving=entry.serving,
                terminating=entry.terminating,
                local=bool(node) and entry.node == node,
                node=entry.node,
                zone=entry.zone,
                zone_hints=entry.zone_hints,
                node_hints=entry.node_hints,
                target=entry.target,
            )
            yield endpoint, reason or (Reason.INVALID_PORT if number == 0 else None)


def for_cluster(endpoints: Sequence[Endpoint], *, node: Node) -> Selection:
    """The endpoints of the Cluster policies: all ready ones that the hints leave, else terminating ones."""
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    if not ready:
        return _fallback(endpoints)
    hint = _hint_reason(ready, node)
    admitted, excluded = [], []
    for endpoint in endpoints:
        reason = _unready_reason(endpoint) or (hint if hint and not _hinted_here(endpoint, hint, node) else None)
        if reason is None:
            admitted.append(endpoint)
        else:
            excluded.append(Exclusion(endpoint, reason))
    return Selection(tuple(admitted), tuple(excluded))


def for_local(endpoints: Sequence[Endpoint]) -> Selection:
    """The endpoints of the Local policies: those on this node, ready ones before terminating ones."""
    here = [endpoint for endpoint in endpoints if endpoint.local]
    elsewhere = tuple(Exclusion(endpoint, Reason.OTHER_NODE) for endpoint in endpoints if not endpoint.local)
    ready = tuple(endpoint for endpoint in here if endpoint.ready)
    if not ready:
        chosen = _fallback(here)
        return Selection(chosen.endpoints, chosen.excluded + elsewhere)
    rest = ((endpoint, _unready_reason(endpoint)) for endpoint in here)
    return Selection(ready, tuple(Exclusion(each, reason) for each, reason in rest if reason) + elsewhere)


def _fallback(endpoints: Sequence[Endpoint]) -> Selection:
    rest = ((endpoint, _unready_reason(endpoint)) for endpoint in endpoints if not endpoint.fallback)
    return Selection(
        tuple(endpoint for endpoint in endpoints if endpoint.fallback),
        tuple(Exclusion(endpoint, reason or Reason.NOT_READY) for endpoint, reason in rest),
    )


def _unready_reason(endpoint: Endpoint) -> Reason | None:
    if endpoint.ready:
        return None
    if not endpoint.terminating:
        return Reason.NOT_READY
    return Reason.TERMINATING if endpoint.serving else Reason.NOT_SERVING


def _hint_reason(ready: Sequence[Endpoint], node: Node) -> Reason | None:
    """The topology in force, named by the reason it excludes by. Node hints go before zone hints (KEP-3015)."""
    if all(each.node_hints for each in ready) and any(node.name in each.node_hints for each in ready):
        return Reason.OTHER_NODE_HINT
    if all(each.zone_hints for each in ready) and any(node.zone in each.zone_hints for each in ready):
        return Reason.OTHER_ZONE_HINT
    return None


def _hinted_here(endpoint: Endpoint, hint: Reason, node: Node) -> bool:
    if hint is Reason.OTHER_NODE_HINT:
        return node.name in endpoint.node_hints
    return node.zone in endpoint.zone_hints
