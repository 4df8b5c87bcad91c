"""Which fields of each kind a field selector may name, and how their values are read.

One row per kind that offers more than metadata.name and metadata.namespace, as upstream's field label conversions
(``pkg/apis/*/*/conversion.go``) and strategies (``ToSelectableFields``) have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from minikube_py.api.errors import BadRequest
from minikube_py.api.resources import Resource
from minikube_py.api.selectors import FieldRequirement, FieldSelector
from minikube_py.api.types import Object

Getter = Callable[[Object], str]

METADATA_FIELDS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class FieldTable:
    """The selectable fields of one kind. ``aliases`` are other spellings; ``indexed`` paths can be looked up.

    ``refusal`` is what a selector of another field is told.
    """

    getters: Mapping[str, Getter] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    indexed: tuple[str, ...] = ()
    namespaced: bool = True
    refusal: str = "field label not supported: {path}"

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields whose values are kept with every object."""
        return tuple(self.getters)

    def values(self, obj: Object) -> tuple[str, ...]:
        """The values of ``paths`` in ``obj``."""
        return tuple(getter(obj) for getter in self.getters.values())

    def check(self, selector: FieldSelector) -> FieldSelector:
        """``selector`` with aliases resolved. Raises BadRequest for a field that cannot be selected by."""
        return FieldSelector(tuple(self._resolve(requirement) for requirement in selector.requirements))

    def _resolve(self, requirement: FieldRequirement) -> FieldRequirement:
        path = self.aliases.get(requirement.path, requirement.path)
        if path in self.getters or path == "metadata.name" or (path == "metadata.namespace" and self.namespaced):
            return requirement._replace(path=path)
        if self.getters:
            raise BadRequest(self.refusal.format(path=requirement.path))
        if path == "metadata.namespace":
            return requirement
        known = ", ".join(f'"{name}"' for name in METADATA_FIELDS)
        raise BadRequest(f'"{requirement.path}" is not a known field selector: only {known}')


def _text(*path: str) -> Getter:
    def read(obj: Object) -> str:
        value: object = obj
        for step in path:
            if not isinstance(value, dict):
                return ""
            value = value.get(step)
        return value if isinstance(value, str) else ""

    return read


def _boolean(*path: str) -> Getter:
    def read(obj: Object) -> str:
        return "true" if (obj.get(path[0]) or {}).get(path[1]) else "false"

    return read


def _number(*path: str) -> Getter:
    def read(obj: Object) -> str:
        return str((obj.get(path[0]) or {}).get(path[1]) or 0)

    return read


def _pod_ips(obj: Object) -> str:
    entries = (obj.get("status") or {}).get("podIPs") or ()
    return ",".join(str(entry.get("ip") or "") for entry in entries)


def _event_source(obj: Object) -> str:
    return str((obj.get("source") or {}).get("component") or obj.get("reportingComponent") or "")


def _paths(*dotted: str) -> dict[str, Getter]:
    return {path: _text(*path.split(".")) for path in dotted}


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_PODS = FieldTable(
    getters={
        **_paths("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
        "spec.hostNetwork": _boolean("spec", "hostNetwork"),
        **_paths("status.phase", "status.podIP", "status.nominatedNodeName"),
        "status.podIPs": _pod_ips,
    },
    aliases={"spec.host": "spec.nodeName"},
    indexed=("spec.nodeName",),
)
_EVENTS = FieldTable(
    getters={
        **_paths(*(f"involvedObject.{name}" for name in _INVOLVED), "reason", "reportingComponent", "type"),
        "source": _event_source,
    },
    aliases={f"regarding.{name}": f"involvedObject.{name}" for name in _INVOLVED}
    | {"reportingController": "reportingComponent"},
    indexed=("involvedObject.uid", "involvedObject.name"),
)

_TABLES: Mapping[tuple[str, str], FieldTable] = MappingProxyType(
    {
        ("", "pods"): _PODS,
        ("", "events"): _EVENTS,
        ("", "nodes"): FieldTable(getters={"spec.unschedulable": _boolean("spec", "unschedulable")}, namespaced=False),
        ("", "namespaces"): FieldTable(getters=_paths("status.phase"), namespaced=False),
        ("", "secrets"): FieldTable(getters=_paths("type")),
        ("", "services"): FieldTable(getters=_paths("spec.clusterIP", "spec.type")),
        ("", "replicationcontrollers"): FieldTable(getters={"status.replicas": _number("status", "replicas")}),
        ("batch", "jobs"): FieldTable(
            getters={"status.successful": _number("status", "succeeded")},
            refusal='field label "{path}" not supported for Job',
        ),
        ("certificates.k8s.io", "certificatesigningrequests"): FieldTable(
            getters=_paths("spec.signerName"), namespaced=False
        ),
        ("certificates.k8s.io", "clustertrustbundles"): FieldTable(getters=_paths("spec.signerName"), namespaced=False),
        ("certificates.k8s.io", "podcertificaterequests"): FieldTable(
            getters=_paths("spec.signerName", "spec.podName", "spec.nodeName")
        ),
        ("resource.k8s.io", "resourceslices"): FieldTable(
            getters=_paths("spec.nodeName", "spec.driver"),
            namespaced=False,
            refusal="field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {path}",
        ),
    }
)
_METADATA_ONLY = FieldTable()


def field_table(resource: Resource) -> FieldTable:
    """The selectable fields of ``resource``."""
    return _TABLES.get((resource.group, resource.plural), _METADATA_ONLY)
