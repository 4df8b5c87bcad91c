"""StorageClasses, CSI kinds and VolumeAttachments."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import (
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    VOLUMEATTRIBUTESCLASSES,
    Resource,
)

Object = dict[str, Any]


def _named(name: str = "x", **fields: Any) -> Object:
    return {"metadata": {"name": name}} | fields


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        (STORAGECLASSES, _named(), ["provisioner: Required value"]),
        (STORAGECLASSES, _named(provisioner="p", reclaimPolicy="Recycle", volumeBindingMode="Later"), [
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
            'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
        ]),
        (VOLUMEATTRIBUTESCLASSES, _named(driverName="d"), [
            "parameters: Required value: must contain at least one key/value pair",
        ]),
        (CSIDRIVERS, _named(spec={"tokenRequests": [{"audience": "a", "expirationSeconds": 1}]}), [
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: "
            "may not specify a duration less than 10 minutes",
        ]),
        (CSINODES, _named(spec={"drivers": [{"name": "d"}, {"name": "d", "nodeID": "n"}]}), [
            "spec.drivers[0].nodeID: Required value",
            'spec.drivers[1].name: Duplicate value: "d"',
        ]),
        (CSISTORAGECAPACITIES, _named(storageClassName="c", capacity="-1Gi"), [
            'capacity: Invalid value: "-1Gi": must be greater than or equal to 0',
        ]),
        (VOLUMEATTACHMENTS, _named(spec={"attacher": "a", "nodeName": "n"}), [
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ]),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else "",
)  # fmt: skip
def test_what_storage_kinds_refuse(registry: Any, resource: Resource, obj: Object, expected: list[str]) -> None:
    assert registry.refused(resource, obj) == expected


def test_storage_classes(registry: Any) -> None:
    given = _named(provisioner="minik.dev/hostpath")
    given["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    created = registry.create(STORAGECLASSES, given)
    row = registry.cells(STORAGECLASSES, created)
    assert list(row.values()) == ["x (default)", "minik.dev/hostpath", "Delete", "Immediate", False, "0s"]
    assert registry.update_refused(STORAGECLASSES, created | {"reclaimPolicy": "Retain"}, created) == [
        'reclaimPolicy: Invalid value: "Retain": field is immutable'
    ]


def test_csi_drivers(registry: Any) -> None:
    driver = registry.create(CSIDRIVERS, _named(spec={"tokenRequests": [{"audience": "vault"}]}))
    assert len(registry.warnings) == 1 and "serviceAccountTokenInSecrets" in registry.warnings[0]
    row = registry.cells(CSIDRIVERS, driver)
    assert list(row.values()) == ["x", True, False, False, "vault", False, "Persistent", "0s"]
    changed = registry.update(CSIDRIVERS, driver | {"spec": driver["spec"] | {"podInfoOnMount": True}}, driver)
    assert changed["metadata"]["generation"] == 1


def test_volume_attachments(registry: Any) -> None:
    spec = {"attacher": "a.example", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}
    attachment = registry.create(VOLUMEATTACHMENTS, _named(spec=spec, status={"attached": True}))
    assert attachment["status"] == {"attached": False}
    assert list(registry.cells(VOLUMEATTACHMENTS, attachment).values()) == ["x", "a.example", "pv", "n", False, "0s"]
    (refused,) = registry.update_refused(VOLUMEATTACHMENTS, attachment | {"spec": spec | {"nodeName": "m"}}, attachment)
    assert refused.startswith("spec: Invalid value: ") and refused.endswith(": field is immutable")
