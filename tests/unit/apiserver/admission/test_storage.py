"""Finalizers and the default class of new claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.storage import DefaultStorageClass, StorageObjectInUseProtection
from apiserver.auth.identity import Identity
from apiserver.registry.context import EmptyReader
from minikube_py.api.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES, Resource
from minikube_py.api.types import Object


class Classes(EmptyReader):
    def __init__(self, *classes: Object) -> None:
        self._classes = classes

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        return self._classes if resource is STORAGECLASSES else ()


def storage_class(name: str, created: str = "2026-01-01T00:00:00Z", *, default: bool = True) -> Object:
    marks = {"storageclass.kubernetes.io/is-default-class": "true" if default else "false"}
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": marks}}


def asked(obj: Object, resource: Resource, operation: Operation = "CREATE", *classes: Object) -> Attributes:
    return Attributes(
        operation=operation, resource=resource, user=Identity(name="someone"), reader=Classes(*classes), obj=obj
    )


def claim(**spec: Any) -> Object:
    return {"metadata": {"name": "data", "namespace": "ns"}, "spec": spec}


def test_new_claims_and_volumes_are_protected_once() -> None:
    plugin = StorageObjectInUseProtection()
    for resource, finalizer in (
        (PERSISTENTVOLUMECLAIMS, "kubernetes.io/pvc-protection"),
        (PERSISTENTVOLUMES, "kubernetes.io/pv-protection"),
    ):
        obj = claim()
        for _ in range(2):
            plugin.admit(asked(obj, resource))
        assert obj["metadata"]["finalizers"] == [finalizer]
    for other in (asked(claim(), CONFIGMAPS), asked(claim(), PERSISTENTVOLUMECLAIMS, "UPDATE")):
        plugin.admit(other)
        assert other.obj is not None and "finalizers" not in other.obj["metadata"]


def test_the_default_class_is_the_newest_marked_one() -> None:
    classes = (
        storage_class("old"),
        storage_class("new", "2026-02-01T00:00:00Z"),
        storage_class("unmarked", "2026-03-01T00:00:00Z", default=False),
    )
    plugin = DefaultStorageClass()
    for obj, expected in ((claim(), "new"), (claim(storageClassName=""), ""), (claim(storageClassName="old"), "old")):
        plugin.admit(asked(obj, PERSISTENTVOLUMECLAIMS, "CREATE", *classes))
        assert obj["spec"]["storageClassName"] == expected
    alone = claim()
    plugin.admit(asked(alone, PERSISTENTVOLUMECLAIMS))
    assert "storageClassName" not in alone["spec"]
