"""Names, numbers and the memory of rollouts."""

from __future__ import annotations

from typing import Any

from minikube_py.api.meta import annotations_of, labels_of
from minikube_py.api.types import Object
from minikube_py.controllers.deployment import revisions, views

TEMPLATE: Object = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}


def deployment(**spec: Any) -> Object:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "annotations": {"note": "x"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE} | spec,
    }


def old(number: int, replicas: int = 0) -> Object:
    return {
        "metadata": {"name": f"old-{number}", "annotations": {views.REVISION: str(number)}},
        "spec": {"replicas": replicas},
    }


def test_a_new_replica_set_carries_the_hash_everywhere() -> None:
    made = revisions.new_replica_set(deployment(), [old(1), old(2)], 3)
    suffix = labels_of(made)["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{suffix}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": suffix}
    assert made["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == suffix
    assert annotations_of(made)[views.REVISION] == "3"
    assert annotations_of(made)["note"] == "x"
    assert views.same_template(made["spec"]["template"], TEMPLATE)


def test_a_collision_changes_the_name() -> None:
    clashing = deployment() | {"status": {"collisionCount": 1}}
    assert views.template_hash(clashing) != views.template_hash(deployment())


def test_rolling_back_renumbers_and_remembers() -> None:
    first = revisions.new_replica_set(deployment(), [], 0)
    again = revisions.refreshed(deployment(), first, [old(2)])
    assert again is not None
    assert annotations_of(again)[views.REVISION] == "3"
    assert annotations_of(again)[views.REVISION_HISTORY] == "1"
    assert revisions.refreshed(deployment(), again, [old(2)]) is None


def test_history_keeps_the_newest() -> None:
    sets = [old(1), old(2), old(3), old(4, replicas=1)]
    kept = deployment(revisionHistoryLimit=2)
    assert [rs["metadata"]["name"] for rs in revisions.forgettable(kept, sets)] == ["old-1", "old-2"]
    assert revisions.forgettable(deployment(), sets) == []
