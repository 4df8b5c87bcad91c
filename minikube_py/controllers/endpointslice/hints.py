"""Hints: which zone or node should use an endpoint (``trafficDistribution``, KEP-4444 and KEP-3015). Pure."""

from __future__ import annotations

from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.slices import Changes

_CLOSE = ("PreferClose", "PreferSameZone", "PreferSameNode")


def apply_hints(service: Object, changes: Changes) -> Changes:
    """The changes with the hints that the Service asks for; slices that had wrong ones are updated too."""
    distribution = (service.get("spec") or {}).get("trafficDistribution")
    wanted = distribution if distribution in _CLOSE else None
    corrected = [(entry, _hinted(entry, wanted)) for entry in changes.unchanged]
    return Changes(
        create=[_hinted(entry, wanted) for entry in changes.create],
        update=[
            *(_hinted(entry, wanted) for entry in changes.update),
            *(hinted for entry, hinted in corrected if hinted["endpoints"] != (entry.get("endpoints") or [])),
        ],
        delete=changes.delete,
        unchanged=[entry for entry, hinted in corrected if hinted["endpoints"] == (entry.get("endpoints") or [])],
    )


def _hinted(entry: Object, distribution: str | None) -> Object:
    return entry | {"endpoints": [_hint(endpoint, distribution) for endpoint in entry.get("endpoints") or ()]}


def _hint(endpoint: Object, distribution: str | None) -> Object:
    """Only ready endpoints are hinted at; what an unready one carries does not matter and is left."""
    bare = {name: value for name, value in endpoint.items() if name != "hints"}
    if distribution is None:
        return bare
    if not (endpoint.get("conditions") or {}).get("ready"):
        return endpoint
    hints: Object = {}
    if endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if distribution == "PreferSameNode" and endpoint.get("nodeName"):
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return bare | ({"hints": hints} if hints else {})
