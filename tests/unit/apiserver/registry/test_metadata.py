"""Metadata of every kind: what the server fills in, refuses and keeps. Words as a real server answered them."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.metadata import generate_name
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest


def _config_map(**meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c"} | meta}


def test_creation_fills_system_fields(registry: Any) -> None:
    created = registry.create(resources.CONFIGMAPS, _config_map(uid="mine", deletionTimestamp="x", selfLink="y"))
    meta = created["metadata"]
    assert meta["namespace"] == "default"
    assert meta["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert meta["uid"] not in ("mine", "")
    assert "deletionTimestamp" not in meta and "selfLink" not in meta


def test_no_name(registry: Any) -> None:
    refused = registry.refused(resources.CONFIGMAPS, {"metadata": {}})
    assert refused == ["metadata.name: Required value: name or generateName is required"]


def test_generated_names() -> None:
    name = generate_name("a" * 80)
    assert len(name) == 63 and name.startswith("a" * 58)
    assert generate_name("gn-") != generate_name("gn-")


def test_a_generated_name_fits_its_base(registry: Any) -> None:
    created = registry.create(resources.CONFIGMAPS, {"metadata": {"generateName": "gn-"}})
    assert created["metadata"]["name"].startswith("gn-") and len(created["metadata"]["name"]) == 8


def test_the_namespace_of_the_request_wins(registry: Any) -> None:
    with pytest.raises(BadRequest, match="does not match the namespace sent on the request"):
        registry.create(resources.CONFIGMAPS, _config_map(namespace="other"))


def test_cluster_scoped_objects_have_no_namespace(registry: Any) -> None:
    refused = registry.refused(resources.NAMESPACES, {"metadata": {"name": "n", "namespace": "x"}})
    assert refused == ["metadata.namespace: Forbidden: not allowed on this type"]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"labels": {"a": "x y"}}, "metadata.labels: Invalid value: \"x y\": a valid label must be an empty string"),
        ({"annotations": {"a b": ""}}, "metadata.annotations: Invalid value: \"a b\": name part must consist"),
        ({"annotations": {"a": "x" * 262145}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
        ({"finalizers": ["a b"]}, "metadata.finalizers: Invalid value: \"a b\": name part must consist"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
            "metadata.ownerReferences[0].uid: Required value: must not be empty",
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]},
            "metadata.ownerReferences[0]: Invalid value: ",
        ),
        ({"managedFields": [{"operation": "x"}]}, 'metadata.managedFields[0].operation: Unsupported value: "x"'),
    ],
)  # fmt: skip
def test_bad_metadata(registry: Any, meta: dict[str, Any], expected: str) -> None:
    refused = registry.refused(resources.CONFIGMAPS, _config_map(**meta))
    assert any(text.startswith(expected) for text in refused), refused


def test_two_controllers(registry: Any) -> None:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in ("a", "b")]
    (refused,) = registry.refused(resources.CONFIGMAPS, _config_map(ownerReferences=owners))
    assert refused.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/b'
    )


def test_updates_keep_system_fields(registry: Any) -> None:
    old = registry.create(resources.CONFIGMAPS, _config_map())
    new = registry.update(resources.CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "b"}}, old)
    for field in ("uid", "creationTimestamp", "resourceVersion", "namespace"):
        assert new["metadata"][field] == old["metadata"][field]


def test_a_name_never_changes(registry: Any) -> None:
    old = registry.create(resources.CONFIGMAPS, _config_map())
    refused = registry.update_refused(resources.CONFIGMAPS, {"metadata": {"name": "d"}}, old)
    assert set(refused) == {'metadata.name: Invalid value: "d": field is immutable'}


def test_no_new_finalizers_while_deleting(registry: Any) -> None:
    old = registry.create(resources.CONFIGMAPS, _config_map(finalizers=["n.e/a"]))
    old["metadata"] |= {"deletionTimestamp": "2026-11-22T13:36:14Z", "deletionGracePeriodSeconds": 0}
    new = {"metadata": {"name": "c", "finalizers": ["n.e/a", "n.e/w"]}}
    refused = registry.update_refused(resources.CONFIGMAPS, new, old)
    text = (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"n.e/w"}'
    )
    assert refused == [text]  # 1.20 named it twice


def test_deletion_is_not_taken_back(registry: Any) -> None:
    old = registry.create(resources.CONFIGMAPS, _config_map(finalizers=["n.e/a"]))
    old["metadata"] |= {"deletionTimestamp": "2026-11-22T13:36:14Z", "deletionGracePeriodSeconds": 0}
    new = registry.update(resources.CONFIGMAPS, _config_map(), old)
    assert new["metadata"]["deletionTimestamp"] == "2026-11-22T13:36:14Z"
    assert new["metadata"]["deletionGracePeriodSeconds"] == 0


def test_leases_need_a_resource_version(registry: Any) -> None:
    old = registry.create(resources.LEASES, {"metadata": {"name": "l"}, "spec": {}})
    refused = registry.update_refused(resources.LEASES, {"metadata": {"name": "l"}, "spec": {}}, old)
    assert 'metadata.resourceVersion: Invalid value: "": must be specified for an update' in refused


def test_finalizers_without_a_domain_are_kubernetes_own(registry: Any) -> None:
    given = {"metadata": {"name": "a", "finalizers": ["orphan", "mine", "example.com/mine"]}}
    assert registry.refused(resources.CONFIGMAPS, given) == [
        'metadata.finalizers[1]: Invalid value: "mine": '
        "name is neither a standard finalizer name nor is it fully qualified"
    ]
    stored = registry.create(resources.CONFIGMAPS, {"metadata": {"name": "a"}})
    changed = stored | {"metadata": stored["metadata"] | {"finalizers": ["mine"]}}
    assert len(registry.update_refused(resources.CONFIGMAPS, changed, stored)) == 1
