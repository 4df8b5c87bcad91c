"""HorizontalPodAutoscalers."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import HORIZONTALPODAUTOSCALERS

Object = dict[str, Any]
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def _autoscaler(**spec: Any) -> Object:
    return {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5} | spec}


def _metric(**target: Any) -> Object:
    return {"type": "Resource", "resource": {"name": "memory", "target": target}}


def test_an_autoscaler_is_defaulted(registry: Any) -> None:
    spec = registry.create(HORIZONTALPODAUTOSCALERS, _autoscaler(behavior={"scaleDown": {"selectPolicy": "Min"}}))[
        "spec"
    ]
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]
    assert spec["behavior"] == {
        "scaleUp": {
            "selectPolicy": "Max",
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
        "scaleDown": {"selectPolicy": "Min", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"maxReplicas": 0}, [
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            "spec.maxReplicas: Required value",
        ]),
        ({"scaleTargetRef": {"apiVersion": "v1", "kind": "Pod"}}, [
            "spec.scaleTargetRef.name: Required value",
            'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
        ]),
        ({"minReplicas": 0}, [
            "spec.metrics: Forbidden: "
            "must specify at least one Object or External metric to support scaling to zero replicas",
        ]),
        ({"metrics": [_metric(type="Utilization")]}, [
            "spec.metrics[0].resource.target.averageUtilization: Required value: "
            "must set either a target raw value or a target utilization",
        ]),
        ({"metrics": [{"type": "Pods"}]}, [
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
        ]),
        ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}}, [
            "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: "
            "must be less than or equal to 1800",
        ]),
    ],
)  # fmt: skip
def test_what_autoscalers_refuse(registry: Any, spec: Object, expected: list[str]) -> None:
    assert registry.refused(HORIZONTALPODAUTOSCALERS, _autoscaler(**spec)) == expected


def test_autoscaler_rows(registry: Any) -> None:
    autoscaler = registry.create(HORIZONTALPODAUTOSCALERS, _autoscaler())
    row = registry.cells(HORIZONTALPODAUTOSCALERS, autoscaler)
    assert [row[name] for name in ("Reference", "Targets", "MinPods", "MaxPods", "Replicas")] == [
        "Deployment/web",
        "cpu: <unknown>/80%",
        "1",
        5,
        0,
    ]
    autoscaler["spec"]["metrics"] = [_metric(averageUtilization=50), _metric(averageValue="1Gi"), _metric()]
    current = [
        {"resource": {"current": {"averageUtilization": 20}}},
        {"resource": {"current": {"averageValue": "512Mi"}}},
    ]
    autoscaler["status"] = {"currentMetrics": current}
    targets = registry.cells(HORIZONTALPODAUTOSCALERS, autoscaler)["Targets"]
    assert targets == "memory: 20%/50%, memory: 512Mi/1Gi + 1 more..."
