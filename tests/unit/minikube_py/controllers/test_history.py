"""ControllerRevisions as other programs read them."""

from __future__ import annotations

import json

import pytest

from minikube_py.api.resources import DAEMONSETS, STATEFULSETS, Resource
from minikube_py.api.types import Object
from minikube_py.controllers.history import equal, hash_of, make_revision, surplus, template_in

TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i"}]}, "metadata": {"labels": {"app": "a"}}}
OWNER: Object = {
    "metadata": {"name": "a", "namespace": "ns", "uid": "u", "annotations": {"kubernetes.io/change-cause": "why not"}},
    "spec": {"template": TEMPLATE},
}


@pytest.mark.parametrize(
    ("resource", "label"),
    [(DAEMONSETS, "controller-revision-hash"), (STATEFULSETS, "controller.kubernetes.io/hash")],
)
def test_a_revision_carries_its_hash_and_its_owners_cause(resource: Resource, label: str) -> None:
    revision = make_revision(OWNER, resource, [], 0)
    assert revision["metadata"]["labels"] == {"app": "a", label: hash_of(revision)}
    assert revision["metadata"]["name"] == f"a-{hash_of(revision)}"
    assert revision["metadata"]["annotations"] == {"kubernetes.io/change-cause": "why not"}
    assert template_in(revision) == TEMPLATE and equal(revision, OWNER)
    assert surplus([revision], [], 0) == [revision]
    assert surplus([revision], [hash_of(revision)], 0) == []


def test_the_patch_is_written_in_the_order_that_clients_compare_it_in() -> None:
    data = make_revision(OWNER, DAEMONSETS, [], 0)["data"]
    assert json.dumps(data) == json.dumps(data, sort_keys=True)
