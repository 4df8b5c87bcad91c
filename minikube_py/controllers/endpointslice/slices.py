"""Fitting endpoints into slices with as few writes as possible. Pure.

The order of preference is upstream's (k8s.io/endpointslice ``reconciler.go``): leave a slice alone; change it in place;
fill up one that changes anyway; fill the fullest untouched one with room for all the rest; only then make a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from minikube_py.api.meta import labels_of
from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.desired import EndpointKey, Ports, key_of_endpoint, port_objects, ports_of

MAX_ENDPOINTS = 100


@dataclass(slots=True)
class Changes:
    """Slices to write. Those to create have no name yet."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    unchanged: list[Object] = field(default_factory=list)

    def extend(self, other: Changes) -> None:
        self.create += other.create
        self.update += other.update
        self.delete += other.delete
        self.unchanged += other.unchanged

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What new slices look like, and how many endpoints one takes."""

    empty: Object
    labels: Mapping[str, str]
    capacity: int = MAX_ENDPOINTS

    def slice(self, ports: Ports, endpoints: Sequence[Object]) -> Object:
        """A new slice."""
        return self.empty | {"ports": port_objects(ports), "endpoints": list(endpoints)}


def plan_family(
    existing: Sequence[Object],
    desired: Mapping[Ports, Mapping[EndpointKey, Object]],
    blueprint: Blueprint,
    is_own: Callable[[Object], bool],
) -> Changes:
    """All slices of one address family. Where none would be left, an empty one stands for the Service."""
    changes = Changes(delete=[entry for entry in existing if not is_own(entry)])
    grouped: dict[Ports, list[Object]] = {}
    for entry in existing:
        if is_own(entry):
            grouped.setdefault(ports_of(entry.get("ports")), []).append(entry)
    for ports, endpoints in desired.items():
        changes.extend(_plan_ports(grouped.pop(ports, []), dict(endpoints), ports, blueprint))
    for left in grouped.values():
        changes.delete += left
    if len(changes.delete) == len(existing) and not changes.create:
        _keep_placeholder(changes, blueprint)
    return recycle(changes, is_own)


def recycle(changes: Changes, is_own: Callable[[Object], bool]) -> Changes:
    """Turn a deletion and a creation into one update."""
    kept: list[Object] = []
    for old in changes.delete:
        reusable = changes.create and is_own(old) and old.get("addressType") == changes.create[-1].get("addressType")
        if not reusable:
            kept.append(old)
            continue
        new = changes.create.pop()
        changes.update.append(_onto(old, new))
    changes.delete = kept
    return changes


def same_endpoint(one: Object, other: Object) -> bool:
    """Whether nothing that a slice says of an endpoint differs; hints are decided elsewhere."""
    names = ("nodeName", "zone", "conditions")
    return all(one.get(name) == other.get(name) for name in names) and _ref(one) == _ref(other)


def _plan_ports(
    existing: Sequence[Object], desired: dict[EndpointKey, Object], ports: Ports, blueprint: Blueprint
) -> Changes:
    changes = Changes()
    changed: list[Object] = []
    untouched: list[Object] = []
    for entry in existing:
        kept, differs = _keep(entry, desired)
        if differs and not kept:
            changes.delete.append(entry)
        elif differs or labels_of(entry) != blueprint.labels:
            changed.append(_with(entry, kept, blueprint))
        else:
            untouched.append(entry)
    rest = list(desired.values())
    for entry in sorted(changed, key=lambda item: -len(item["endpoints"])):
        room = blueprint.capacity - len(entry["endpoints"])
        entry["endpoints"] += rest[:room]
        rest = rest[room:]
    while rest:
        part, rest = rest[: blueprint.capacity], rest[blueprint.capacity :]
        host = _roomiest_fit(untouched, len(part), blueprint.capacity)
        if host is None:
            changes.create.append(blueprint.slice(ports, part))
        else:
            untouched.remove(host)
            changed.append(_with(host, [*(host.get("endpoints") or ()), *part], blueprint))
    changes.update, changes.unchanged = changed, untouched
    return changes


def _keep(entry: Object, desired: dict[EndpointKey, Object]) -> tuple[list[Object], bool]:
    """The slice's endpoints that stay, as they should be now (taken out of ``desired``), and whether that is news."""
    listed = entry.get("endpoints") or []
    kept: list[Object] = []
    differs = False
    for endpoint in listed:
        wanted = desired.pop(key_of_endpoint(endpoint), None)
        if wanted is None:
            continue
        if not same_endpoint(wanted, endpoint):
            differs = True
        hints = endpoint.get("hints")
        kept.append(wanted | {"hints": hints} if hints else wanted)
    return kept, differs or len(kept) != len(listed)


def _roomiest_fit(slices: Iterable[Object], number: int, capacity: int) -> Object | None:
    """The slice that would be fullest with ``number`` endpoints more; a part that fills a slice gets its own."""
    if number >= capacity:
        return None
    fitting = [entry for entry in slices if len(entry.get("endpoints") or ()) + number <= capacity]
    return max(fitting, key=lambda entry: len(entry.get("endpoints") or ()), default=None)


def _with(entry: Object, endpoints: Sequence[Object], blueprint: Blueprint) -> Object:
    meta = entry["metadata"] | {"labels": dict(blueprint.labels)}
    return entry | {"metadata": meta, "endpoints": list(endpoints)}


def _onto(old: Object, new: Object) -> Object:
    """The new content under the old name."""
    own = old["metadata"]
    meta = new["metadata"] | {name: own[name] for name in ("name", "uid", "resourceVersion") if name in own}
    meta.pop("generateName", None)
    return new | {"metadata": meta}


def _keep_placeholder(changes: Changes, blueprint: Blueprint) -> None:
    empty = blueprint.slice((), [])
    if len(changes.delete) == 1 and _is_placeholder(changes.delete[0], empty):
        changes.unchanged.append(changes.delete.pop())
    else:
        changes.create.append(empty)


def _is_placeholder(entry: Object, empty: Object) -> bool:
    same = labels_of(entry) == labels_of(empty) and entry.get("addressType") == empty.get("addressType")
    bare = not entry.get("endpoints") and not entry.get("ports")
    owners = [ref.get("uid") for ref in entry["metadata"].get("ownerReferences") or ()]
    return same and bare and owners == [ref.get("uid") for ref in empty["metadata"].get("ownerReferences") or ()]


def _ref(endpoint: Object) -> Object:
    return {name: value for name, value in (endpoint.get("targetRef") or {}).items() if name != "resourceVersion"}
