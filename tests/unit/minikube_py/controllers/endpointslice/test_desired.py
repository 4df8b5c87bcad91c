"""From pods to endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.desired import (
    address_types,
    desired_endpoints,
    find_port,
    membership_changed,
)

NODE = {"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z1"}}}


def pod(name: str = "a", *, ready: bool = True, ips: tuple[str, ...] = ("10.0.0.1",), **extra: Any) -> Object:
    meta = {"name": name, "namespace": "default", "uid": name, "labels": {"app": "web"}} | extra.pop("meta", {})
    status = {
        "phase": "Running",
        "podIP": ips[0] if ips else "",
        "podIPs": [{"ip": ip} for ip in ips],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    container = {"ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}
    return {
        "metadata": meta,
        "spec": {"nodeName": "n", "containers": [container]} | extra,
        "status": status,
    }


def service(**spec: Any) -> Object:
    port = {"port": 80, "targetPort": "http", "protocol": "TCP"}
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [port], "selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"]} | spec,
    }


def only(pods: list[Object], target: Object | None = None, family: str = "IPv4") -> list[Object]:
    found = desired_endpoints(target or service(), pods, lambda _name: NODE, family)
    return [endpoint for group in found.by_ports.values() for endpoint in group.values()]


LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("entry", "publish", "conditions"),
    [
        (pod(), False, (True, True, False)),
        (pod(ready=False), False, (False, False, False)),
        (pod(meta=LEAVING), False, (False, True, True)),
        (pod(meta=LEAVING, ready=False), True, (True, False, True)),
    ],
)
def test_conditions(entry: Object, publish: bool, conditions: tuple[bool, bool, bool]) -> None:
    found = only([entry], service(publishNotReadyAddresses=publish))[0]["conditions"]
    assert (found["ready"], found["serving"], found["terminating"]) == conditions


def test_what_an_endpoint_tells() -> None:
    named = pod(hostname="a", subdomain="web")
    assert only([named]) == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "a"},
            "nodeName": "n",
            "zone": "z1",
            "hostname": "a",
        }
    ]


def test_named_ports_differ_per_pod() -> None:
    other = pod("b", containers=[{"ports": [{"name": "http", "containerPort": 9090, "protocol": "TCP"}]}])
    found = desired_endpoints(service(), [pod(), other], lambda _name: NODE, "IPv4")
    assert sorted(ports[0][1] for ports in found.by_ports) == [8080, 9090]


def test_families() -> None:
    dual = pod(ips=("10.0.0.1", "fd00::1"))
    assert only([dual], family="IPv6")[0]["addresses"] == ["fd00::1"]
    assert address_types(service(ipFamilies=["IPv6", "IPv4"])) == ["IPv6", "IPv4"]
    assert address_types({"spec": {"clusterIP": "fd00::9"}}) == ["IPv6"]


def test_pods_without_address_node_or_life_are_left_out() -> None:
    ended = pod()
    ended["status"]["phase"] = "Succeeded"
    assert only([pod(ips=()), ended]) == []
    nowhere = desired_endpoints(service(), [pod()], lambda _name: None, "IPv4")
    assert nowhere.incomplete


def test_find_port() -> None:
    sidecar = {"restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 1, "protocol": "TCP"}]}
    entry = pod(initContainers=[sidecar])
    assert find_port(entry, {"targetPort": "admin", "protocol": "TCP"}) == 1
    assert find_port(entry, {"targetPort": "http", "protocol": "UDP"}) is None
    assert find_port(entry, {"port": 80, "targetPort": 81}) == 81


def test_most_status_changes_do_not_matter() -> None:
    before, after = pod(), pod()
    after["status"]["containerStatuses"] = [{"restartCount": 3}]
    assert not membership_changed(before, after)
    assert membership_changed(before, pod(ready=False))
