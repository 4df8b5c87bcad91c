"""PersistentVolumes and PersistentVolumeClaims."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

Object = dict[str, Any]


def _claim(size: str = "1Gi", **spec: Any) -> Object:
    given = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}} | spec
    return {"metadata": {"name": "data"}, "spec": given}


def _volume(**spec: Any) -> Object:
    given = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1024Mi"}, "hostPath": {"path": "/data"}} | spec
    return {"metadata": {"name": "pv"}, "spec": given}


def test_claims_start_pending(registry: Any) -> None:
    claim = registry.create(PERSISTENTVOLUMECLAIMS, _claim(dataSource={"kind": "PersistentVolumeClaim", "name": "x"}))
    assert claim["status"] == {"phase": "Pending"} and claim["spec"]["volumeMode"] == "Filesystem"
    assert claim["spec"]["dataSourceRef"] == {"kind": "PersistentVolumeClaim", "name": "x"}
    row = registry.cells(PERSISTENTVOLUMECLAIMS, claim)
    assert list(row.values()) == ["data", "Pending", "", "", "", "", "<unset>", "0s", "Filesystem"]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (_claim(accessModes=None), ["spec.accessModes: Required value: at least 1 access mode is required"]),
        (_claim(resources={}), ["spec.resources[storage]: Required value"]),
        (_claim("0"), ['spec.resources[storage]: Invalid value: "0": must be greater than zero']),
        (_claim(accessModes=["ReadWriteOnce", "ReadWriteOncePod"]), [
            "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
        ]),
    ],
)  # fmt: skip
def test_what_claims_refuse(registry: Any, claim: Object, expected: list[str]) -> None:
    assert registry.refused(PERSISTENTVOLUMECLAIMS, claim) == expected


def _bound(registry: Any, size: str = "1Gi") -> Object:
    claim = registry.create(PERSISTENTVOLUMECLAIMS, _claim(size, storageClassName="fast", volumeName="pv"))
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
    return dict(claim | {"status": status})


def test_bound_claims_grow_and_print_their_volume(registry: Any) -> None:
    claim = _bound(registry)
    grown = claim | {"spec": claim["spec"] | {"resources": {"requests": {"storage": "2Gi"}}}}
    assert registry.update(PERSISTENTVOLUMECLAIMS, grown, claim)["spec"]["resources"]["requests"]["storage"] == "2Gi"
    row = registry.cells(PERSISTENTVOLUMECLAIMS, claim)
    assert [row[name] for name in ("Status", "Volume", "Capacity", "Access Modes", "StorageClass")] == [
        "Bound",
        "pv",
        "1Gi",
        "RWO",
        "fast",
    ]


def test_bound_claims_do_not_shrink(registry: Any) -> None:
    claim = _bound(registry)
    shrunk = claim | {"spec": claim["spec"] | {"resources": {"requests": {"storage": "1Mi"}}}}
    assert registry.update_refused(PERSISTENTVOLUMECLAIMS, shrunk, claim) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_the_rest_of_a_claim_does_not_change(registry: Any) -> None:
    claim = registry.create(PERSISTENTVOLUMECLAIMS, _claim())
    moved = claim | {"spec": claim["spec"] | {"accessModes": ["ReadWriteMany"]}}
    (refused,) = registry.update_refused(PERSISTENTVOLUMECLAIMS, moved, claim)
    assert refused.startswith(
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
        "for bound claims\n"
    )
    named = claim | {"spec": claim["spec"] | {"volumeName": "pv", "storageClassName": "fast"}}
    registry.update(PERSISTENTVOLUMECLAIMS, named, claim)


def test_volumes_are_defaulted(registry: Any) -> None:
    volume = registry.create(PERSISTENTVOLUMES, _volume())
    assert volume["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": "/data", "type": ""},
        "persistentVolumeReclaimPolicy": "Retain",
        "volumeMode": "Filesystem",
    }
    assert volume["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2026-01-02T03:04:05Z"}
    row = registry.cells(PERSISTENTVOLUMES, volume)
    assert list(row.values()) == ["pv", "1Gi", "RWO", "Retain", "Pending", "", "", "<unset>", "", "0s", "Filesystem"]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (_volume(hostPath=None), ["spec: Required value: must specify a volume type"]),
        (_volume(capacity=None), [
            "spec.capacity: Required value",
            'spec.capacity: Unsupported value: null: supported values: "storage"',
        ]),
        (_volume(nfs={"server": "s", "path": "/"}), [
            "spec.nfs: Forbidden: may not specify more than 1 volume type",
        ]),
        (_volume(hostPath=None, local={"path": "/x"}), [
            "spec.nodeAffinity: Required value: Local volume requires node affinity",
        ]),
        (_volume(hostPath=None, csi={}), [
            "spec.csi.driver: Required value",
            "spec.csi.volumeHandle: Required value",
        ]),
    ],
)  # fmt: skip
def test_what_volumes_refuse(registry: Any, volume: Object, expected: list[str]) -> None:
    assert registry.refused(PERSISTENTVOLUMES, volume) == expected


def test_what_a_volume_stands_for_does_not_change(registry: Any) -> None:
    volume = registry.create(PERSISTENTVOLUMES, _volume())
    moved = volume | {"spec": volume["spec"] | {"hostPath": {"path": "/other"}}}
    (refused,) = registry.update_refused(PERSISTENTVOLUMES, moved, volume)
    assert refused.startswith(
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
    )


def test_phases_of_volumes_have_a_time(registry: Any) -> None:
    volume = registry.create(PERSISTENTVOLUMES, _volume())
    old = volume | {"status": {"phase": "Pending", "lastPhaseTransitionTime": "2025-01-01T00:00:00Z"}}
    same = registry.update(PERSISTENTVOLUMES, volume | {"status": {"phase": "Pending"}}, old, subresource="status")
    assert same["status"]["lastPhaseTransitionTime"] == "2025-01-01T00:00:00Z"
    bound = registry.update(PERSISTENTVOLUMES, volume | {"status": {"phase": "Bound"}}, old, subresource="status")
    assert bound["status"]["lastPhaseTransitionTime"] == "2026-01-02T03:04:05Z"
