"""Deployments, ReplicaSets, StatefulSets and DaemonSets: templates, selectors, strategies, generations."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, Resource

Object = dict[str, Any]
NEW_STATUS = {
    "ReplicaSet": {"replicas": 0},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "DaemonSet": {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
    },
}  # fmt: skip
WORKLOADS = (DEPLOYMENTS, REPLICASETS, STATEFULSETS, DAEMONSETS)


def _workload(**spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template} | spec}


@pytest.mark.parametrize("resource", WORKLOADS, ids=lambda r: r.kind)
def test_templates_are_defaulted_and_status_is_dropped(registry: Any, resource: Resource) -> None:
    created = registry.create(resource, _workload() | {"status": {"replicas": 7}})
    assert created["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert "enableServiceLinks" not in created["spec"]["template"]["spec"]
    assert created["status"] == NEW_STATUS.get(resource.kind, {}) and created["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (DEPLOYMENTS, {
            "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        }),
        (REPLICASETS, {"replicas": 1}),
        (STATEFULSETS, {
            "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        }),
        (DAEMONSETS, {
            "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        }),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else "",
)  # fmt: skip
def test_defaults(registry: Any, resource: Resource, expected: Object) -> None:
    spec = registry.create(resource, _workload())["spec"]
    assert {key: value for key, value in spec.items() if key not in ("selector", "template")} == expected


MISMATCH = 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'


@pytest.mark.parametrize("resource", WORKLOADS, ids=lambda r: r.kind)
def test_a_selector_matches_its_template(registry: Any, resource: Resource) -> None:
    assert registry.refused(resource, _workload(selector={"matchLabels": {"a": "c"}})) == [MISMATCH]


@pytest.mark.parametrize("resource", (DEPLOYMENTS, REPLICASETS, STATEFULSETS), ids=lambda r: r.kind)
def test_a_selector_is_required(registry: Any, resource: Resource) -> None:
    assert registry.refused(resource, _workload(selector=None)) == ["spec.selector: Required value", MISMATCH]


@pytest.mark.parametrize("resource", WORKLOADS, ids=lambda r: r.kind)
def test_a_selector_never_changes(registry: Any, resource: Resource) -> None:
    old = registry.create(resource, _workload())
    wanted = old | {"spec": old["spec"] | {"selector": {"matchLabels": {"a": "b", "c": "d"}}}}
    assert set(registry.update_refused(resource, wanted, old)) == {
        MISMATCH,
        'spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable',
    }


@pytest.mark.parametrize(
    ("resource", "spec", "expected"),
    [
        (DEPLOYMENTS, {"replicas": -1}, [
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ]),
        (DEPLOYMENTS, {"progressDeadlineSeconds": 5, "minReadySeconds": 5}, [
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ]),
        (DEPLOYMENTS, {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}}, [
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ]),
        (DEPLOYMENTS, {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, [
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ]),
        (DEPLOYMENTS, {"strategy": {"type": "Recreate", "rollingUpdate": {}}}, [
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ]),
        (STATEFULSETS, {"podManagementPolicy": "Odd"}, [
            "spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or 'Parallel'",
        ]),
        (STATEFULSETS, {"serviceName": "a.b"}, [
            'spec.serviceName: Invalid value: "a.b": must not contain dots',
        ]),
        (STATEFULSETS, {"volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}]}, [
            "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required",
            "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value",
        ]),
        (DAEMONSETS, {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}}, [
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is "
            "non-zero",
        ]),
    ],
)  # fmt: skip
def test_refusals(registry: Any, resource: Resource, spec: Object, expected: list[str]) -> None:
    assert registry.refused(resource, _workload(**spec)) == expected


@pytest.mark.parametrize(
    ("resource", "kind"), [(DEPLOYMENTS, "ReplicaSet"), (STATEFULSETS, "StatefulSet"), (DAEMONSETS, "DaemonSet")]
)
def test_pods_of_workloads_run_forever(registry: Any, resource: Resource, kind: str) -> None:
    workload = _workload()
    workload["spec"]["template"]["spec"] |= {"restartPolicy": "Never", "activeDeadlineSeconds": 5}
    assert registry.refused(resource, workload) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        f"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in {kind} is not Supported",
    ]


def test_claims_of_a_stateful_set_can_be_mounted(registry: Any) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    workload = _workload(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": claim}])
    mounts = [{"name": "data", "mountPath": "/data"}]
    workload["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = mounts
    created = registry.create(STATEFULSETS, workload)
    assert created["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    assert "volumes" not in created["spec"]["template"]["spec"]


def test_generations_count_changes_of_spec_only(registry: Any) -> None:
    old = registry.create(DEPLOYMENTS, _workload())
    labelled = registry.update(DEPLOYMENTS, old | {"metadata": old["metadata"] | {"labels": {"x": "y"}}}, old)
    assert labelled["metadata"]["generation"] == 1
    scaled = registry.update(DEPLOYMENTS, labelled | {"spec": labelled["spec"] | {"replicas": 3}}, labelled)
    assert scaled["metadata"]["generation"] == 2
    annotated = scaled["metadata"] | {"annotations": {"x": "y"}}
    assert registry.update(DEPLOYMENTS, scaled | {"metadata": annotated}, scaled)["metadata"]["generation"] == 3


def test_status_has_a_door_of_its_own(registry: Any) -> None:
    old = registry.create(DEPLOYMENTS, _workload())
    wanted = old | {"status": {"replicas": 3}, "metadata": old["metadata"] | {"labels": {"z": "1"}}}
    assert registry.update(DEPLOYMENTS, wanted, old)["status"] == {}
    new = registry.update(DEPLOYMENTS, wanted | {"spec": {}}, old, subresource="status")
    assert new["status"] == {"replicas": 3} and new["spec"] == old["spec"] and "labels" not in new["metadata"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"replicas": 1, "readyReplicas": 2},
         ["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"]),
        ({"replicas": 2, "readyReplicas": 1, "availableReplicas": 2},
         ["status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"]),
        ({"unavailableReplicas": -1},
         ["status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0"]),
    ],
)  # fmt: skip
def test_impossible_statuses(registry: Any, status: Object, expected: list[str]) -> None:
    old = registry.create(DEPLOYMENTS, _workload())
    assert registry.update_refused(DEPLOYMENTS, old | {"status": status}, old, subresource="status") == expected


def test_cells(registry: Any) -> None:
    deployment = registry.create(DEPLOYMENTS, _workload(replicas=3)) | {
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    }
    assert registry.cells(DEPLOYMENTS, deployment) == {
        "Name": "d", "Ready": "2/3", "Up-to-date": 3, "Available": 1, "Age": "0s",
        "Containers": "c", "Images": "x:1", "Selector": "a=b",
    }  # fmt: skip
    assert registry.cells(REPLICASETS, registry.create(REPLICASETS, _workload()))["Desired"] == 1
    assert registry.cells(STATEFULSETS, registry.create(STATEFULSETS, _workload()))["Ready"] == "0/1"
    assert registry.cells(DAEMONSETS, registry.create(DAEMONSETS, _workload()))["Node Selector"] == "<none>"
