"""What counts against a quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from minikube_py.api.meta import format_time
from minikube_py.api.quotausage import counted_resources, matches_scopes, total_usage, usage_of
from minikube_py.api.resources import CONFIGMAPS, DEPLOYMENTS, PERSISTENTVOLUMECLAIMS, PODS, SERVICES
from minikube_py.api.types import Object

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(cpu: str = "", phase: str = "Running", **spec: Any) -> Object:
    resources = {"requests": {"cpu": cpu, "example.com/gpu": "2"}, "limits": {"cpu": "1"}} if cpu else {}
    return {"metadata": {}, "spec": {"containers": [{"resources": resources}]} | spec, "status": {"phase": phase}}


def test_pods() -> None:
    usage = usage_of(PODS, pod("250m"), NOW)
    quarter = Decimal("0.25")
    assert usage == {
        "count/pods": 1, "pods": 1, "requests.cpu": quarter, "cpu": quarter, "limits.cpu": 1,
        "requests.example.com/gpu": 2,
    }  # fmt: skip
    assert usage_of(PODS, pod("250m", phase="Succeeded"), NOW) == {"count/pods": 1}


def test_a_pod_that_should_be_gone_is_not_charged() -> None:
    going = pod("1") | {"metadata": {"deletionTimestamp": format_time(NOW), "deletionGracePeriodSeconds": 30}}
    assert "pods" in usage_of(PODS, going, NOW + timedelta(seconds=30))
    assert usage_of(PODS, going, NOW + timedelta(seconds=31)) == {"count/pods": 1}


def test_services() -> None:
    ports = [{"port": 1, "nodePort": 30001}, {"port": 2}]
    assert usage_of(SERVICES, {"spec": {"type": "NodePort", "ports": ports}}, NOW)["services.nodeports"] == 2
    balanced = usage_of(SERVICES, {"spec": {"type": "LoadBalancer", "ports": ports}}, NOW)
    assert (balanced["services.loadbalancers"], balanced["services.nodeports"], balanced["services"]) == (1, 2, 1)
    few = {"type": "LoadBalancer", "ports": ports, "allocateLoadBalancerNodePorts": False}
    assert usage_of(SERVICES, {"spec": few}, NOW)["services.nodeports"] == 1


def test_claims() -> None:
    spec = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"}
    usage = usage_of(PERSISTENTVOLUMECLAIMS, {"spec": spec, "status": {"allocatedResources": {"storage": "2Gi"}}}, NOW)
    assert usage["requests.storage"] == usage["fast.storageclass.storage.k8s.io/requests.storage"] == 2 << 30
    assert usage["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] == usage["persistentvolumeclaims"] == 1


ABROAD = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["other"]}]}}


@pytest.mark.parametrize(
    ("scope", "entry", "counted"),
    [
        ("BestEffort", pod(), True),
        ("BestEffort", pod("1"), False),
        ("NotBestEffort", pod("1"), True),
        ("Terminating", pod(activeDeadlineSeconds=5), True),
        ("NotTerminating", pod(activeDeadlineSeconds=5), False),
        ("PriorityClass", pod(priorityClassName="high"), True),
        ("PriorityClass", pod(), False),
        ("CrossNamespacePodAffinity", pod(affinity=ABROAD), True),
        ("CrossNamespacePodAffinity", pod(), False),
        ("VolumeAttributesClass", pod(), False),
    ],
)
def test_scopes(scope: str, entry: Object, counted: bool) -> None:
    assert matches_scopes({"spec": {"scopes": [scope]}}, PODS, entry) is counted
    assert not matches_scopes({"spec": {"scopes": [scope]}}, CONFIGMAPS, {})


@pytest.mark.parametrize(
    ("operator", "values", "name", "counted"),
    [
        ("In", ["high"], "high", True), ("In", ["high"], "", False), ("NotIn", ["high"], "", True),
        ("NotIn", ["high"], "high", False), ("DoesNotExist", [], "", True), ("Exists", [], "low", True),
    ],
)  # fmt: skip
def test_selectors_of_scopes(operator: str, values: list[str], name: str, counted: bool) -> None:
    rule = {"scopeName": "PriorityClass", "operator": operator, "values": values}
    quota = {"spec": {"scopeSelector": {"matchExpressions": [rule]}}}
    assert matches_scopes(quota, PODS, pod(priorityClassName=name)) is counted
    quota = {"spec": {"scopeSelector": {"matchExpressions": [rule | {"scopeName": "VolumeAttributesClass"}]}}}
    claim = {"spec": {"volumeAttributesClassName": name}, "status": {"currentVolumeAttributesClassName": name}}
    assert matches_scopes(quota, PERSISTENTVOLUMECLAIMS, claim) is counted


def test_only_what_is_limited_is_summed() -> None:
    quota = {"spec": {"hard": {"pods": "5", "count/configmaps": "2"}}}
    objects = [(PODS, pod("1")), (PODS, pod("1")), (CONFIGMAPS, {})]
    assert total_usage(quota, objects, NOW) == {"pods": 2, "count/configmaps": 1}


def test_a_quota_says_which_resources_it_counts() -> None:
    names = ("cpu", "pods", "count/deployments.apps", "count/nothing", "services.nodeports", "requests.storage")
    assert list(counted_resources(names)) == [PODS, DEPLOYMENTS, SERVICES, PERSISTENTVOLUMECLAIMS]
