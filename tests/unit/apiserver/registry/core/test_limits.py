"""ResourceQuotas, LimitRanges, ReplicationControllers and PodTemplates."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import LIMITRANGES, PODTEMPLATES, REPLICATIONCONTROLLERS, RESOURCEQUOTAS

Object = dict[str, Any]
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}


def _named(**spec: Any) -> Object:
    return {"metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"cars": "1"}}, [
            'spec.hard[cars]: Invalid value: "cars": must be a standard resource type or fully qualified',
            'spec.hard[cars]: Invalid value: "cars": must be a standard resource for quota',
        ]),
        ({"hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        ({"hard": {"services": "1"}, "scopes": ["BestEffort"]}, [
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ]),
        ({"scopes": ["Terminating", "NotTerminating"]}, [
            'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes',
        ]),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, [
            "spec.scopeSelector.matchExpressions.values: Required value: "
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ]),
    ],
)  # fmt: skip
def test_what_quotas_refuse(registry: Any, spec: Object, expected: list[str]) -> None:
    assert registry.refused(RESOURCEQUOTAS, _named(**spec)) == expected


def test_quota_rows(registry: Any) -> None:
    quota = registry.create(RESOURCEQUOTAS, _named(hard={"pods": "10"}))
    assert list(registry.cells(RESOURCEQUOTAS, quota).values()) == ["x", "", "", "0s"]
    quota["status"] = {"hard": {"pods": "10", "limits.cpu": "2", "requests.cpu": "1"}, "used": {"pods": "3"}}
    row = registry.cells(RESOURCEQUOTAS, quota)
    assert (row["Request"], row["Limit"]) == ("pods: 3/10, requests.cpu: 0/1", "limits.cpu: 0/2")


def test_quotas_warn_of_requests_above_limits(registry: Any) -> None:
    registry.create(RESOURCEQUOTAS, _named(hard={"cpu": "3", "limits.cpu": "2"}))
    assert registry.warnings == ["ResourceQuota cpu (3) should be less than limits.cpu (2)"]


def test_limits_of_containers_are_completed(registry: Any) -> None:
    limits = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "64Mi"}, "default": {"memory": "128Mi"}}
    (item,) = registry.create(LIMITRANGES, _named(limits=[limits]))["spec"]["limits"]
    assert item["default"] == {"cpu": "2", "memory": "128Mi"} == item["defaultRequest"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([{"type": "House"}], [
            'spec.limits[0].type: Invalid value: "House": must be a standard limit type or fully qualified',
        ]),
        ([{"type": "Pod"}, {"type": "Pod"}], ['spec.limits[1].type: Duplicate value: "Pod"']),
        ([{"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}], [
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        ]),
        ([{"type": "Pod", "default": {"cpu": "2"}}], [
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        ]),
        ([{"type": "PersistentVolumeClaim"}], [
            "spec.limits[0].limits: Required value: "
            "either minimum or maximum storage value is required, but neither was provided",
        ]),
        ([{"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}], [
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": '
            "ratio 3 is greater than max/min = 2.000000",
        ]),
    ],
)  # fmt: skip
def test_what_limit_ranges_refuse(registry: Any, limits: list[Object], expected: list[str]) -> None:
    assert registry.refused(LIMITRANGES, _named(limits=limits)) == expected


def test_replication_controllers_take_their_selector_from_the_template(registry: Any) -> None:
    controller = registry.create(REPLICATIONCONTROLLERS, _named(template=TEMPLATE))
    assert controller["spec"]["selector"] == {"a": "b"} == controller["metadata"]["labels"]
    assert controller["spec"]["replicas"] == 1
    row = registry.cells(REPLICATIONCONTROLLERS, controller)
    assert [row[name] for name in ("Desired", "Current", "Ready", "Selector")] == [1, 0, 0, "a=b"]


def test_what_replication_controllers_refuse(registry: Any) -> None:
    assert registry.refused(REPLICATIONCONTROLLERS, _named()) == [
        "spec.selector: Required value",
        "spec.template: Required value",
    ]
    assert registry.refused(REPLICATIONCONTROLLERS, _named(selector={"a": "c"}, template=TEMPLATE)) == [
        'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'
    ]


def test_pod_templates(registry: Any) -> None:
    created = registry.create(PODTEMPLATES, {"metadata": {"name": "x"}, "template": TEMPLATE})
    assert created["template"]["spec"]["restartPolicy"] == "Always"
    assert list(registry.cells(PODTEMPLATES, created).values()) == ["x", "c", "x:1", "a=b"]
