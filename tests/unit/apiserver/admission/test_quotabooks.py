"""Running sums of what a namespace uses: always what a count of everything would say, after any writes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.admission.quotabooks import QuotaBooks
from minikube_py.api.meta import format_time
from minikube_py.api.quotausage import counted_resources, total_usage
from minikube_py.api.resources import CONFIGMAPS, PODS, SERVICES, Resource
from minikube_py.api.types import Object

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUOTAS: tuple[Object, ...] = (
    {"hard": {"pods": "9", "requests.cpu": "2", "limits.memory": "1Gi", "count/pods": "20", "services.nodeports": "3"}},
    {"hard": {"pods": "9", "cpu": "1"}, "scopes": ["BestEffort"]},
    {"hard": {"pods": "9", "cpu": "1"}, "scopes": ["NotBestEffort", "Terminating"]},
    {"hard": {"configmaps": "4", "count/services": "2"}},
)


class Shelf:
    """Stored objects, and how often all of them were read."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.lists = 0

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self.objects.get((resource.plural, namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        self.lists += 1
        return [obj for key, obj in self.objects.items() if key[:2] == (resource.plural, namespace)]


def quota(namespace: str, spec: Object) -> Object:
    return {"metadata": {"name": "q", "namespace": namespace}, "spec": spec}


def _object(dice: random.Random, resource: Resource, namespace: str, name: str, uid: str) -> Object:
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "uid": uid}
    if resource is SERVICES:
        return {"metadata": meta, "spec": {"type": dice.choice(["NodePort", "ClusterIP"]), "ports": [{"port": 1}]}}
    if resource is CONFIGMAPS:
        return {"metadata": meta}
    resources = dice.choice([{}, {"requests": {"cpu": f"{dice.randrange(900)}m"}, "limits": {"memory": "3Mi"}}])
    if dice.random() < 0.3:
        meta["deletionTimestamp"] = format_time(NOW + timedelta(seconds=dice.randrange(-60, 60)))
        meta["deletionGracePeriodSeconds"] = 30
    spec: Object = {"containers": [{"name": "c", "resources": resources}]}
    if dice.random() < 0.5:
        spec["activeDeadlineSeconds"] = 5
    return {"metadata": meta, "spec": spec, "status": {"phase": dice.choice(["Running", "Succeeded", "Pending"])}}


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_what_a_count_would_say(seed: int) -> None:
    dice, shelf, books = random.Random(seed), Shelf(), QuotaBooks()
    for step in range(400):
        resource, namespace = dice.choice([PODS, PODS, SERVICES, CONFIGMAPS]), dice.choice("ab")
        key = (resource.plural, namespace, f"n{dice.randrange(12)}")
        old = shelf.objects.pop(key, None)
        new = None
        if old is None or dice.random() < 0.6:
            uid = old["metadata"]["uid"] if old is not None else f"u{step}"
            new = shelf.objects[key] = _object(dice, resource, namespace, key[2], uid)
        books.follow(resource, old, new)
        if step % 10 == 0:
            asked = quota(dice.choice("ab"), dice.choice(QUOTAS))
            now = NOW + timedelta(seconds=dice.randrange(-60, 90))
            counted = [
                (each, obj)
                for each in counted_resources(asked["spec"]["hard"])
                for obj in shelf.list(each, asked["metadata"]["namespace"])
            ]
            assert books.used(asked, shelf, now) == total_usage(asked, counted, now)


def test_objects_are_counted_once() -> None:
    shelf, books = Shelf(), QuotaBooks()
    for number in range(50):
        pod = _object(random.Random(number), PODS, "a", f"p{number}", f"u{number}")
        shelf.objects[("pods", "a", f"p{number}")] = pod
        books.follow(PODS, None, pod)
        books.used(quota("a", {"hard": {"pods": "100", "cpu": "5"}}), shelf, NOW)
    assert shelf.lists == 1
