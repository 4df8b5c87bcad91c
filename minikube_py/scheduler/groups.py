"""Which pods belong together by default: those behind the same Services and of the same controller.

Upstream's ``helper.DefaultSelector``: it feeds the built-in soft spreading of pods that ask for none themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from minikube_py.api.meta import uid_of
from minikube_py.api.selectors import LabelSelector, from_labels, label_selector_of
from minikube_py.api.types import Object
from minikube_py.scheduler.views import PodInfo


class Lister(Protocol):
    """The part of an informer that is read here."""

    def get(self, namespace: str, name: str) -> Object | None: ...

    def list(self, namespace: str | None = None) -> Sequence[Object]: ...


def group_selectors(services: Lister, owners: Mapping[str, Lister]) -> Callable[[PodInfo], Sequence[LabelSelector]]:
    """A function from a pod to its group's selectors. ``owners`` maps a controller's kind to where it is looked up."""

    def selectors(pod: PodInfo) -> list[LabelSelector]:
        found = []
        for service in services.list(pod.namespace):
            wanted = (service.get("spec") or {}).get("selector")
            if wanted and all(pod.labels.get(key) == value for key, value in wanted.items()):
                found.append(from_labels(wanted))
        owner = _owner_selector(pod, owners)
        return [*found, owner] if owner is not None else found

    return selectors


def _owner_selector(pod: PodInfo, owners: Mapping[str, Lister]) -> LabelSelector | None:
    reference = pod.controller
    lister = owners.get(str(reference.get("kind"))) if reference else None
    owner = lister.get(pod.namespace, str(reference.get("name"))) if lister and reference else None
    if owner is None or reference is None or uid_of(owner) != reference.get("uid"):
        return None
    selector = (owner.get("spec") or {}).get("selector")
    if selector is None:
        return None
    return from_labels(selector) if owner.get("kind") == "ReplicationController" else label_selector_of(selector)
