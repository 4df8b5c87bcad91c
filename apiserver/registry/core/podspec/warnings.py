"""Warnings about pods and pod templates: things that are accepted and probably not meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.registry.checks import Fields
from apiserver.registry.core.podspec.security import containers_with_path
from apiserver.registry.quantities import amount
from minikube_py.api import names
from minikube_py.api.quantity import is_whole
from minikube_py.api.types import Object

_GONE_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_OLD_LABELS = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"
_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"


def name_warnings(pod: Object) -> list[str]:
    """A Pod's name is its host name too."""
    found = names.dns1123_label(pod["metadata"].get("name") or "")
    if not found:
        return []
    advice = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: {advice}: [{' '.join(found)}]"]


def template_warnings(template: Fields | None, path: str) -> list[str]:
    """Warnings about a workload's pod template at ``path``."""
    if not template:
        return []
    return list(pod_warnings(template.get("metadata") or {}, template.get("spec") or {}, f"{path}."))


def pod_warnings(meta: Fields, spec: Fields, path: str) -> Iterator[str]:
    """Everything worth a word; ``path`` is what comes before ``spec`` and ``metadata``."""
    for key in spec.get("nodeSelector") or ():
        if key in _OLD_LABELS:
            yield f"{path}spec.nodeSelector[{key}]: {_label_advice(key)}"
    yield from _spread_warnings(spec, path)
    for key in (meta.get("annotations") or {}).keys() & _OLD_ANNOTATIONS.keys():
        yield f"{path}metadata.annotations[{key}]: {_OLD_ANNOTATIONS[key]}"
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind in volume.keys() & _GONE_VOLUMES.keys():
            yield f"{path}spec.volumes[{index}].{kind}: {_GONE_VOLUMES[kind]}"
    yield from _repeated(spec.get("hostAliases") or (), "ip", f"{path}spec.hostAliases")
    yield from _repeated(spec.get("imagePullSecrets") or (), "name", f"{path}spec.imagePullSecrets")
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{path}spec.imagePullSecrets[{index}].name: invalid empty name ""'
    containers = containers_with_path(spec, f"{path}spec")
    for place, container in containers:
        yield from _container_warnings(container, place)
    yield from _port_warnings(containers)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        advice = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}spec.terminationGracePeriodSeconds: {advice}"
    yield from _affinity_warnings(spec.get("affinity") or {}, f"{path}spec.affinity")


def _label_advice(key: str) -> str:
    return f'deprecated since v1.{14 if key.endswith(("/arch", "/os")) else 17}; use "{_OLD_LABELS[key]}" instead'


def _spread_warnings(spec: Fields, path: str) -> Iterator[str]:
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        key, place = constraint.get("topologyKey") or "", f"{path}spec.topologySpreadConstraints[{index}]"
        if key in _OLD_LABELS:
            yield f"{place}.topologyKey: {key} is {_label_advice(key)}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NULL_SELECTOR}"


def _affinity_warnings(affinity: Fields, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        for index, term in enumerate(rules.get(_HARD) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{kind}.{_HARD}[{index}].labelSelector: {_NULL_SELECTOR}"
        for index, term in enumerate(rules.get(_SOFT) or ()):
            if (term.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{kind}.{_SOFT}[{index}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}"


def _repeated(items: Iterable[Fields], field: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(field) or ""
        if value in seen:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'
        seen.add(value)


def _container_warnings(container: Fields, path: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            value = (resources.get(kind) or {}).get(name)
            if value is not None and not is_whole(amount(value)):
                advice = f'fractional byte value "{value}" is invalid, must be an integer'
                yield f"{path}.resources.{kind}[{name}]: {advice}"
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name") or "", variable.get("value") or ""
        reference = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == reference or reference not in value):
            advice = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path}.env[{index}]: {advice}"
        seen.add(name)


def _port_warnings(containers: list[tuple[str, Fields]]) -> Iterator[str]:
    taken: dict[str, list[tuple[str, Fields]]] = {}
    named: dict[str, str] = {}
    for path, container in containers:
        for index, port in enumerate(container.get("ports") or ()):
            place, key = f"{path}.ports[{index}]", f"{port.get('containerPort')}/{port.get('protocol')}"
            for other_place, other in taken.get(key, ()):
                if word := _overlap(port, other):
                    yield f"{place}: {word} port definition with {other_place}"
            taken.setdefault(key, []).append((place, port))
            name = port.get("name")
            if name and name in named:
                first = named[name]
                advice = f"services and probes that select ports by name will use {first}"
                yield f'{place}: duplicate port name "{name}" with {first}, {advice}'
            elif name:
                named[name] = place


def _overlap(port: Fields, other: Fields) -> str:
    a, b = (
        (port.get("hostIP") or "", port.get("hostPort") or 0),
        (other.get("hostIP") or "", other.get("hostPort") or 0),
    )
    if a == b:
        return "duplicate"
    if not a[1] or not b[1]:
        return "overlapping"
    return "dangerously ambiguous" if a[1] == b[1] and (not a[0]) != (not b[0]) else ""
