"""What a diagnosis looks at: one reading of the cluster's objects and of every node's proxy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api.meta import is_deleting, labels_of, name_of, namespace_of
from minikube_py.api.types import Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Picture:
    """All of a cluster that matters here.

    ``workloads`` are objects with a pod template. ``tables`` holds what each Ready node's ``/debug/proxy`` answered;
    ``silent`` says of the others why it did not.
    """

    services: Sequence[Object] = ()
    slices: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    workloads: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    volumes: Sequence[Object] = ()
    classes: Sequence[Object] = ()
    policies: Sequence[Object] = ()
    events: Sequence[Object] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)

    def last_event(self, obj: Object, *reasons: str, kind: str) -> str:
        """The message of the newest event about ``obj`` with one of the reasons, or ""."""
        return next(iter(self.messages(obj, *reasons, kind=kind)), "")

    def messages(self, obj: Object, *reasons: str, kind: str) -> list[str]:
        """What events about ``obj`` with one of the reasons say, the newest first."""
        about = [event for event in self.events if event.get("reason") in reasons and _is_about(event, obj, kind)]
        return [str(event.get("message") or "") for event in sorted(about, key=_moment, reverse=True)]


def _is_about(event: Object, obj: Object, kind: str) -> bool:
    about = event.get("involvedObject") or {}
    uid = obj["metadata"].get("uid")
    if about.get("kind") != kind or (about.get("namespace") or "") != namespace_of(obj):
        return False
    return bool(about.get("uid") == uid if uid and about.get("uid") else about.get("name") == name_of(obj))


def _moment(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def find(objects: Iterable[Object], namespace: str, name: str) -> Object | None:
    """The object of that name."""
    return next((each for each in objects if name_of(each) == name and namespace_of(each) == namespace), None)


def nearest_name(wanted: str, names: Iterable[str]) -> str:
    """The name that was most likely meant, or ""."""
    return next(iter(difflib.get_close_matches(wanted, sorted(set(names)), n=1, cutoff=0.6)), "")


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A Service's selector: every pair must be there."""
    return all(labels.get(key) == value for key, value in selector.items())


def selected(objects: Iterable[Object], selector: Mapping[str, str]) -> list[Object]:
    """The objects whose own labels match."""
    return [each for each in objects if matches(selector, labels_of(each))]


def is_finished(pod: Object) -> bool:
    """Whether the pod will never run again."""
    return (pod.get("status") or {}).get("phase") in _FINISHED


def is_going(pod: Object) -> bool:
    """Whether the pod is finished or being deleted."""
    return is_finished(pod) or is_deleting(pod)


def template_labels(workload: Object) -> dict[str, str]:
    """The labels that the workload's pods are made with."""
    template = (workload.get("spec") or {}).get("template") or {}
    return dict((template.get("metadata") or {}).get("labels") or {})


def shown(pairs: Mapping[str, str]) -> str:
    """Labels as a person writes them."""
    return ",".join(f"{key}={value}" for key, value in sorted(pairs.items()))


def full_name(obj: Object) -> str:
    """``namespace/name``."""
    return f"{namespace_of(obj)}/{name_of(obj)}" if namespace_of(obj) else name_of(obj)
