"""The downward API: a pod's own fields and resources as text, for variables and for files.

Paths, words of errors and rounding are those of ``pkg/fieldpath`` and ``pkg/api/v1/resource``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from agent.pods.environment.faults import EnvironmentFault
from minikube_py.api.meta import annotations_of, labels_of, metadata
from minikube_py.api.quantity import bytes_of, cpu_millis, parse_quantity
from minikube_py.api.types import Object

_METADATA = {"metadata.name": "name", "metadata.namespace": "namespace", "metadata.uid": "uid"}
_SPEC = {
    "spec.nodeName": "nodeName",
    "spec.host": "nodeName",
    "spec.serviceAccountName": "serviceAccountName",
}
_MAPS = {"metadata.labels": labels_of, "metadata.annotations": annotations_of}
_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
    "\v": "\\v",
}  # fmt: skip
#: Limits that a container without any is told to have: the node's own.
_NODE_BOUND = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What only the node knows: addresses (primary first), and what it can give (``status.allocatable``)."""

    pod_ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_value(pod: Object, path: str, facts: PodFacts) -> str:
    """The field at ``path`` as text; maps come as sorted ``key="value"`` lines. Raises EnvironmentFault."""
    if path in _METADATA:
        return str(metadata(pod).get(_METADATA[path]) or "")
    if path in _SPEC:
        return str((pod.get("spec") or {}).get(_SPEC[path]) or "")
    if path in _MAPS:
        return "\n".join(f"{key}={go_quote(value)}" for key, value in sorted(_MAPS[path](pod).items()))
    addresses = {"status.podIP": facts.pod_ips[:1], "status.podIPs": facts.pod_ips}
    addresses |= {"status.hostIP": facts.host_ips[:1], "status.hostIPs": facts.host_ips}
    if path in addresses:
        return ",".join(addresses[path])
    return _subscripted(pod, path)


def resource_value(pod: Object, container: Mapping[str, Any], selector: Mapping[str, Any], facts: PodFacts) -> str:
    """A container's request or limit in units of the divisor, rounded up.

    A missing limit is the node's allocatable; a missing request is zero. Raises EnvironmentFault.
    """
    named = selector.get("containerName")
    chosen = _container(pod, named) if named else container
    kind, _, name = str(selector.get("resource") or "").partition(".")
    known = name in _NODE_BOUND or name.startswith("hugepages-")
    if kind not in ("limits", "requests") or not known:
        raise EnvironmentFault(f"unsupported container resource : {selector.get('resource')}")
    amounts = (chosen.get("resources") or {}).get(kind) or {}
    amount = amounts.get(name) or "0"
    if kind == "limits" and name in _NODE_BOUND and parse_quantity(amount) == 0:
        amount = facts.allocatable.get(name, "0")
    divisor = selector.get("divisor") or "1"
    if parse_quantity(divisor) == 0:
        divisor = "1"
    measure = cpu_millis if name == "cpu" else bytes_of
    return str((Decimal(measure(amount)) / Decimal(measure(divisor))).to_integral_value(ROUND_CEILING))


def go_quote(text: str) -> str:
    """A string as Go's %q prints it."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _subscripted(pod: Object, path: str) -> str:
    """``metadata.labels['key']``, ``metadata.annotations['key']``."""
    root, bracket, rest = path.partition("['")
    if not bracket or not rest.endswith("']"):
        raise EnvironmentFault(f"field label not supported: {path}")
    if root not in _MAPS:
        raise EnvironmentFault(f"field label does not support subscript: {path}")
    return str(_MAPS[root](pod).get(rest.removesuffix("']"), ""))


def _container(pod: Object, name: str) -> Mapping[str, Any]:
    spec = pod.get("spec") or {}
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        if container.get("name") == name:
            found: Mapping[str, Any] = container
            return found
    raise EnvironmentFault(f"container {name} not found")
