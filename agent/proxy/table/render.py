"""The routing table as JSON, for ``/debug/proxy`` and for lessons: who gets traffic, and why the others do not."""

from __future__ import annotations

from typing import Any

from minikube_py.dataplane.model import Backends, Route


def render_route(route: Route) -> dict[str, Any]:
    """One route; ``outside`` is given only where clients outside the cluster are treated differently."""
    shown: dict[str, Any] = {
        "address": str(route.frontend),
        "kind": str(route.kind),
        "service": str(route.port.service),
        "port": route.port.port,
        "keepSource": str(route.keep_source),
        **render_backends(route.inside),
    }
    if route.outside != route.inside:
        shown["outside"] = render_backends(route.outside)
    if route.affinity_seconds:
        shown["affinitySeconds"] = route.affinity_seconds
    if route.source_ranges:
        shown["sourceRanges"] = list(route.source_ranges)
    return shown


def render_backends(backends: Backends) -> dict[str, Any]:
    """What happens to a connection, with every endpoint accounted for."""
    return {
        "verdict": str(backends.verdict),
        "endpoints": [
            {"address": str(each), "node": each.node, "target": each.target, "terminating": each.terminating}
            for each in backends.endpoints
        ],
        "excluded": [
            {"address": str(each.endpoint), "target": each.endpoint.target, "reason": str(each.reason)}
            for each in backends.excluded
        ],
    }
