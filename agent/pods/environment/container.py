"""The whole environment of a container, by the kubelet's rules (``kubelet_pods.go``, makeEnvironmentVariables).

Precedence, weakest first: Service variables, envFrom in order, env in order. ``$(VAR)`` refers to envFrom, to env
entries further up, and to Service variables.
"""

from __future__ import annotations

import base64
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.pods.environment.downward import PodFacts, field_value, resource_value
from agent.pods.environment.faults import EnvironmentFault
from minikube_py.api.expansion import expand
from minikube_py.api.meta import namespace_of
from minikube_py.api.types import Object


class Reference(NamedTuple):
    """An object of the pod's namespace that an environment is made from; ``kind`` is ConfigMap or Secret."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What was looked up for a container beforehand.

    ``objects`` holds every object of ``references`` that exists. ``env_file(volume, path)`` gives the text of a file
    in a mounted volume, or raises EnvironmentFault.
    """

    services: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[Reference, Object] = field(default_factory=dict)
    facts: PodFacts = field(default_factory=PodFacts)
    env_file: Callable[[str, str], str] | None = None


_FROM = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEYS = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def references(container: Mapping[str, Any]) -> list[Reference]:
    """The ConfigMaps and Secrets to look up for a container, each once."""
    found: dict[Reference, None] = {}
    for source in container.get("envFrom") or ():
        found |= {Reference(kind, source[key]["name"]): None for key, kind in _FROM.items() if source.get(key)}
    for variable in container.get("env") or ():
        value_from = variable.get("valueFrom") or {}
        found |= {Reference(kind, value_from[key]["name"]): None for key, kind in _KEYS.items() if value_from.get(key)}
    return list(found)


def container_environment(pod: Object, container: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    """The environment to start ``container`` with. Raises EnvironmentFault in the kubelet's words."""
    declared: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        declared.update(_import(source, sources))
    known = ChainMap(declared, dict(sources.services))
    for variable in container.get("env") or ():
        value = _value(pod, container, variable, known, sources)
        if value is not None:
            declared[variable["name"]] = value
    for name, value in declared.items():
        if "\0" in value:
            raise EnvironmentFault(f"the value of environment variable {name} contains a NUL byte")
    return {**sources.services, **declared}


def _import(source: Mapping[str, Any], sources: Sources) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix") or ""
    for key, kind in _FROM.items():
        if source.get(key):
            found = _find(kind, source[key], sources)
            for name, value in _data(kind, found).items() if found is not None else ():
                yield prefix + name, value


def _value(
    pod: Object, container: Mapping[str, Any], variable: Mapping[str, Any], known: Mapping[str, str], sources: Sources
) -> str | None:
    """A variable's value; None where an optional source is missing and the variable with it."""
    literal = variable.get("value")
    if literal:
        return expand(literal, known)
    value_from = variable.get("valueFrom") or {}
    if value_from.get("fieldRef"):
        return field_value(pod, str(value_from["fieldRef"].get("fieldPath")), sources.facts)
    if value_from.get("resourceFieldRef"):
        return resource_value(pod, container, value_from["resourceFieldRef"], sources.facts)
    if value_from.get("fileKeyRef"):
        return _from_file(value_from["fileKeyRef"], sources)
    for source, kind in _KEYS.items():
        if value_from.get(source):
            return _from_key(pod, kind, value_from[source], sources)
    return ""


def _from_key(pod: Object, kind: str, selector: Mapping[str, Any], sources: Sources) -> str | None:
    found = _find(kind, selector, sources)
    if found is None:
        return None
    value = _data(kind, found).get(selector["key"])
    if value is None and not selector.get("optional"):
        where = f"{namespace_of(pod)}/{selector['name']}"
        raise EnvironmentFault(f"couldn't find key {selector['key']} in {kind} {where}")
    return value


def _find(kind: str, selector: Mapping[str, Any], sources: Sources) -> Object | None:
    """The object; None where it is missing and optional."""
    found = sources.objects.get(Reference(kind, selector["name"]))
    if found is None and not selector.get("optional"):
        raise EnvironmentFault(f'{kind.lower()} "{selector["name"]}" not found')
    return found


def _data(kind: str, obj: Object) -> dict[str, str]:
    data: dict[str, str] = obj.get("data") or {}
    if kind == "ConfigMap":
        return data
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


def _from_file(selector: Mapping[str, Any], sources: Sources) -> str | None:
    volume, path, key = selector["volumeName"], selector["path"], selector["key"]
    if sources.env_file is None:
        raise EnvironmentFault(f'cannot find the volume "{volume}" referenced by FileKeyRef')
    value = _entry_of_file(sources.env_file(volume, path), key)
    if not value:
        if selector.get("optional"):
            return None
        raise EnvironmentFault(f'environment variable key "{key}" not found in file "{path}"')
    return value


def _entry_of_file(text: str, key: str) -> str:
    """The value after ``key=`` in an env file; ``#`` begins a comment anywhere in a line."""
    for line in text.splitlines():
        name, equals, value = line.partition("#")[0].partition("=")
        if equals and name == key:
            return value
    return ""
