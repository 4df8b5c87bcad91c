"""Pods: defaults, refusals, the few changes that are allowed, status, binding, deletion, rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from apiserver.registry.context import RequestContext
from apiserver.registry.core.pod.strategy import bind, grace_seconds
from apiserver.registry.core.podspec.defaults import pull_policy
from minikube_py.api.errors import Conflict
from minikube_py.api.resources import PODS

Object = dict[str, Any]


def _pod(container: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": "c", "image": "x"} | (container or {})]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers} | spec}


def _status(pod: Object, **status: Any) -> Object:
    return pod | {"status": pod["status"] | status}


def test_defaults(registry: Any) -> None:
    pod = registry.create(PODS, _pod({"readinessProbe": {"httpGet": {"port": 80}}, "ports": [{"containerPort": 80}]}))
    assert pod["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "x",
                "imagePullPolicy": "Always",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("x", "Always"),
        ("x:latest", "Always"),
        ("x:1", "IfNotPresent"),
        ("host:5000/x", "Always"),
        ("host:5000/x:2", "IfNotPresent"),
        ("x@sha256:" + "0" * 64, "IfNotPresent"),
        ("x:latest@sha256:" + "0" * 64, "Always"),
        ("", "IfNotPresent"),
        ("UPPER", "IfNotPresent"),
    ],
)
def test_pull_policy_by_tag(image: str, expected: str) -> None:
    assert pull_policy(image) == expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_qos(registry: Any, resources: Object, expected: str) -> None:
    assert registry.create(PODS, _pod({"resources": resources}))["status"]["qosClass"] == expected


def test_requests_follow_limits_in_canonical_form(registry: Any) -> None:
    pod = registry.create(PODS, _pod({"resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}}}))
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (_pod(containers=[]), ["spec.containers: Required value"]),
        (_pod({"image": ""}), ["spec.containers[0].image: Required value"]),
        (_pod({"image": " x"}), [
            'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace',
        ]),
        (_pod({"ports": [{"containerPort": 70000}]}), [
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ]),
        (_pod({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}), [
            'spec.containers[0].ports[1].name: Duplicate value: "a"',
        ]),
        (_pod({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}), [
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ]),
        (_pod({"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}), [
            "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
        ]),
        (_pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]}), [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.hostname": '
            "error converting fieldPath: field label not supported: spec.hostname",
        ]),
        (_pod({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}), [
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ]),
        (_pod({"resources": {"requests": {"example.com/gpu": "1500m"}}}), [
            'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        ]),
        (_pod({"resources": {"limits": {"bananas": "1"}}}), [
            'spec.containers[0].resources.limits[bananas]: Invalid value: "bananas": '
            "must be a standard resource type or fully qualified",
            'spec.containers[0].resources.limits[bananas]: Invalid value: "bananas": '
            "must be a standard resource for containers",
            'spec.containers[0].resources.requests[bananas]: Invalid value: "bananas": '
            "must be a standard resource type or fully qualified",
            'spec.containers[0].resources.requests[bananas]: Invalid value: "bananas": '
            "must be a standard resource for containers",
        ]),
        (_pod({"livenessProbe": {"tcpSocket": {"port": "http"}, "successThreshold": 2}}), [
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ]),
        (_pod({"livenessProbe": {}}), [
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ]),
        (_pod({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}), [
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ]),
        (_pod(restartPolicy="Sometimes"), [
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ]),
        (_pod(dnsPolicy="None"), [
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ]),
        (_pod(tolerations=[{"value": "x"}]), [
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means '
            '"match all values and all keys"',
        ]),
        (_pod(nodeSelector={"a": "b c"}), [
            "spec.nodeSelector: Invalid value: \"b c\": a valid label must be an empty string or consist of "
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
            "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ]),
        (_pod(volumes=[{"name": "v", "hostPath": {"path": "/a/../b"}}]), [
            "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        ]),
        (_pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]), [
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ]),
        (_pod(volumes=[{"name": "v"}, {"name": "v"}]), ['spec.volumes[1].name: Duplicate value: "v"']),
        (_pod(initContainers=[{"name": "i", "image": "x", "readinessProbe": {"exec": {"command": ["a"]}}}]), [
            "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ]),
        (_pod(initContainers=[{"name": "c", "image": "x"}]), ['spec.initContainers[0].name: Duplicate value: "c"']),
        (_pod(ephemeralContainers=[{"name": "e", "image": "x"}]), [
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ]),
        (_pod(nodeName="n", schedulingGates=[{"name": "g"}]), [
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ]),
        (_pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "x"}]), [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "x": supported values: '
            '"DoNotSchedule", "ScheduleAnyway"',
        ]),
        (_pod({"securityContext": {"runAsUser": -1}}), [
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
            "inclusive",
        ]),
        (_pod(hostNetwork=True, containers=[
            {"name": "c", "image": "x", "ports": [{"containerPort": 80, "hostPort": 81}]}]), [
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is "
            "true",
        ]),
    ],
)  # fmt: skip
def test_refusals(registry: Any, pod: Object, expected: list[str]) -> None:
    assert registry.refused(PODS, pod) == expected


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": "c", "image": "y"}]},
        {"activeDeadlineSeconds": 30},
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
    ],
)
def test_allowed_changes(registry: Any, spec: Object) -> None:
    old = registry.create(PODS, _pod())
    if "containers" in spec:
        spec = {"containers": [old["spec"]["containers"][0] | {"image": "y"}]}
    new = registry.update(PODS, old | {"spec": old["spec"] | spec}, old)
    assert new["metadata"]["generation"] == 2


def test_everything_else_is_forbidden(registry: Any) -> None:
    old = registry.create(PODS, _pod())
    (refused,) = registry.update_refused(PODS, old | {"spec": old["spec"] | {"hostname": "h"}}, old)
    start = (
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@"
    )
    assert refused.startswith(start) and '+  "hostname": "h",' in refused


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"tolerations": [{"key": "a", "operator": "Exists"}]}, {"tolerations": []},
         "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
        ({"activeDeadlineSeconds": 5}, {"activeDeadlineSeconds": 6},
         "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"),
        ({}, {"schedulingGates": [{"name": "g"}]},
         "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'"),
        ({}, {"containers": []}, "spec.containers: Forbidden: pod updates may not add or remove containers"),
    ],
)  # fmt: skip
def test_forbidden_changes(registry: Any, before: Object, after: Object, expected: str) -> None:
    old = registry.create(PODS, _pod(**before))
    assert expected in registry.update_refused(PODS, old | {"spec": old["spec"] | after}, old)


def test_gates_hold_a_pod_back(registry: Any) -> None:
    pod = registry.create(PODS, _pod(schedulingGates=[{"name": "g"}]))
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")
    assert registry.cells(PODS, pod)["Status"] == "SchedulingGated"
    open_ = registry.update(
        PODS, pod | {"spec": pod["spec"] | {"nodeSelector": {"a": "b"}, "schedulingGates": []}}, pod
    )
    assert open_["spec"]["nodeSelector"] == {"a": "b"}


def test_status_only_through_its_door(registry: Any) -> None:
    old = registry.create(PODS, _pod())
    assert registry.update(PODS, _status(old, phase="Running"), old)["status"]["phase"] == "Pending"
    changed = _status(old, phase="Running", podIP="10.244.0.5") | {"spec": {"containers": []}}
    new = registry.update(PODS, changed, old, subresource="status")
    assert new["spec"] == old["spec"]
    assert new["status"]["podIPs"] == [{"ip": "10.244.0.5"}] and new["status"]["qosClass"] == "BestEffort"


def test_containers_that_ended_stay_ended(registry: Any) -> None:
    ended = [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]
    old = _status(registry.create(PODS, _pod(restartPolicy="OnFailure")), containerStatuses=ended)
    new = _status(old, containerStatuses=[{"name": "c", "state": {"running": {}}}])
    refused = registry.update_refused(PODS, new, old, subresource="status")
    assert refused == ["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"]


def test_binding(registry: Any, now: datetime) -> None:
    pod = registry.create(PODS, _pod())
    context = RequestContext(resource=PODS, now=now, namespace="default", name="p")
    bound = bind(pod, {"target": {"kind": "Node", "name": "n"}}, context)
    assert bound["spec"]["nodeName"] == "n" and "nodeName" not in pod["spec"]
    assert bound["status"]["conditions"][0]["status"] == "True"
    with pytest.raises(Conflict, match='pod p is already assigned to node "n"'):
        bind(bound, {"target": {"name": "m"}}, context)


@pytest.mark.parametrize(
    ("spec", "phase", "requested", "expected"),
    [
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", None, 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", 5, 5),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", -5, 1),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Succeeded", None, 0),
        ({"terminationGracePeriodSeconds": 30}, "Pending", None, 0),
        ({"terminationGracePeriodSeconds": 30}, "Pending", 10, 0),
    ],
)
def test_grace(spec: Object, phase: str, requested: int | None, expected: int) -> None:
    assert grace_seconds({"spec": spec, "status": {"phase": phase}}, requested) == expected


def _container(name: str = "c", **fields: Any) -> Object:
    return {"name": name, "restartCount": 0} | fields


_RUNNING = {"state": {"running": {}}, "ready": True}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ("0/1", "Pending", "0")),
        ({"phase": "Running", "containerStatuses": [_container(**_RUNNING)]}, ("1/1", "Running", "0")),
        ({"containerStatuses": [_container(state={"waiting": {"reason": "ImagePullBackOff"}})]},
         ("0/1", "ImagePullBackOff", "0")),
        ({"phase": "Running", "containerStatuses": [_container(
            state={"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3,
            lastState={"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T03:01:05Z"}})]},
         ("0/1", "CrashLoopBackOff", "3 (3m ago)")),
        ({"phase": "Succeeded", "containerStatuses": [_container(
            state={"terminated": {"exitCode": 0, "reason": "Completed"}})]}, ("0/1", "Completed", "0")),
        ({"phase": "Failed", "containerStatuses": [_container(state={"terminated": {"exitCode": 2}})]},
         ("0/1", "ExitCode:2", "0")),
        ({"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
        ({"initContainerStatuses": [_container("i", state={"running": {}})]}, ("0/1", "Init:0/1", "0")),
        ({"initContainerStatuses": [_container("i", state={"waiting": {"reason": "ErrImagePull"}})]},
         ("0/1", "Init:ErrImagePull", "0")),
        ({"initContainerStatuses": [_container("i", state={"terminated": {"exitCode": 1, "signal": 9}})]},
         ("0/1", "Init:Signal:9", "0")),
    ],
)  # fmt: skip
def test_rows(registry: Any, status: Object, expected: tuple[str, str, str]) -> None:
    init = [{"name": "i", "image": "x"}] if "initContainerStatuses" in status else None
    pod = _status(registry.create(PODS, _pod(**({"initContainers": init} if init else {}))), **status)
    cells = registry.cells(PODS, pod)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == expected


def test_sidecars_count_as_containers(registry: Any) -> None:
    sidecar = {"name": "i", "image": "x", "restartPolicy": "Always"}
    pod = registry.create(PODS, _pod(initContainers=[sidecar]))
    init = [_container("i", started=True, restartCount=1, **_RUNNING)]
    pod = _status(pod, phase="Running", initContainerStatuses=init, containerStatuses=[_container(**_RUNNING)])
    cells = registry.cells(PODS, pod)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == ("2/2", "Running", "1")


def test_a_deleted_pod_terminates(registry: Any) -> None:
    pod = registry.create(PODS, _pod())
    pod["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert registry.cells(PODS, pod)["Status"] == "Terminating"


def test_ephemeral_containers_are_only_added(registry: Any) -> None:
    old = registry.create(PODS, _pod())
    added = [{"name": "debug", "image": "x", "targetContainerName": "c"}]
    wanted = old | {"spec": old["spec"] | {"ephemeralContainers": added, "hostname": "ignored"}}
    new = registry.update(PODS, wanted, old, subresource="ephemeralcontainers")
    assert new["spec"]["ephemeralContainers"][0]["imagePullPolicy"] == "Always" and "hostname" not in new["spec"]
    gone = new | {"spec": old["spec"]}
    refused = registry.update_refused(PODS, gone, new, subresource="ephemeralcontainers")
    assert refused == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n'
    ]


def test_resize_changes_only_resources(registry: Any) -> None:
    old = registry.create(PODS, _pod({"resources": {"requests": {"cpu": "100m"}}}))
    container = old["spec"]["containers"][0] | {"resources": {"requests": {"cpu": "200m"}}, "image": "ignored"}
    wanted = old | {"spec": old["spec"] | {"containers": [container]}}
    new = registry.update(PODS, wanted, old, subresource="resize")
    assert new["spec"]["containers"][0] == old["spec"]["containers"][0] | {"resources": {"requests": {"cpu": "200m"}}}
    assert new["metadata"]["generation"] == 2
    container = container | {"resources": {"requests": {"cpu": "200m"}, "limits": {"cpu": "200m", "memory": "1Gi"}}}
    guaranteed = old | {"spec": old["spec"] | {"containers": [container]}}
    refused = registry.update_refused(PODS, guaranteed, old, subresource="resize")
    assert any("Pod QOS Class may not change as a result of resizing" in text for text in refused)


def test_warnings(registry: Any) -> None:
    pod = _pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})
    registry.create(PODS, pod | {"metadata": {"name": "a.b"}})
    assert registry.warnings == [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
        "recommended: [must not contain dots]",
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ]


def test_match_label_keys_become_selectors(registry: Any) -> None:
    constraint = {
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "a"}}, "matchLabelKeys": ["hash"],
    }  # fmt: skip
    pod = _pod(topologySpreadConstraints=[constraint])
    pod["metadata"]["labels"] = {"hash": "1"}
    created = registry.create(PODS, pod)
    selector = created["spec"]["topologySpreadConstraints"][0]["labelSelector"]
    assert selector["matchExpressions"] == [{"key": "hash", "operator": "In", "values": ["1"]}]
