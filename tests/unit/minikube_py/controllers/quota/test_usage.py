"""What counts against a quota."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from minikube_py.api.resources import CONFIGMAPS, PODS, SERVICES
from minikube_py.api.types import Object
from minikube_py.controllers.quota.usage import matches_scopes, total_usage, usage_of


def pod(cpu: str = "", phase: str = "Running", **spec: Any) -> Object:
    resources = {"requests": {"cpu": cpu}, "limits": {"cpu": "1"}} if cpu else {}
    return {"spec": {"containers": [{"resources": resources}]} | spec, "status": {"phase": phase}}


def test_pods() -> None:
    usage = usage_of(PODS, pod("250m"))
    assert (usage["pods"], usage["requests.cpu"], usage["cpu"], usage["limits.cpu"]) == (
        Decimal(1),
        Decimal("0.25"),
        Decimal("0.25"),
        Decimal(1),
    )
    assert usage_of(PODS, pod("250m", phase="Succeeded")) == {"count/pods": Decimal(1)}


def test_services() -> None:
    ports = [{"port": 1, "nodePort": 30001}, {"port": 2}]
    assert usage_of(SERVICES, {"spec": {"type": "NodePort", "ports": ports}})["services.nodeports"] == 2
    balanced = usage_of(SERVICES, {"spec": {"type": "LoadBalancer", "ports": ports}})
    assert (balanced["services.loadbalancers"], balanced["services.nodeports"], balanced["services"]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("scopes", "entry", "counted"),
    [
        (["BestEffort"], pod(), True),
        (["BestEffort"], pod("1"), False),
        (["NotBestEffort"], pod("1"), True),
        (["Terminating"], pod(activeDeadlineSeconds=5), True),
        (["NotTerminating"], pod(activeDeadlineSeconds=5), False),
    ],
)
def test_scopes(scopes: list[str], entry: Object, counted: bool) -> None:
    assert matches_scopes({"spec": {"scopes": scopes}}, PODS, entry) is counted


def test_priority_classes() -> None:
    rule = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    quota = {"spec": {"scopeSelector": {"matchExpressions": [rule]}}}
    assert matches_scopes(quota, PODS, pod(priorityClassName="high"))
    assert not matches_scopes(quota, PODS, pod())


def test_only_what_is_limited_is_summed() -> None:
    quota = {"spec": {"hard": {"pods": "5", "count/configmaps": "2"}}}
    objects = [(PODS, pod("1")), (PODS, pod("1")), (CONFIGMAPS, {})]
    assert total_usage(quota, objects) == {"pods": 2, "count/configmaps": 1}
