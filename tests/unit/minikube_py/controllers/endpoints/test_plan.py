"""Endpoints objects."""

from __future__ import annotations

from minikube_py.api.types import Object
from minikube_py.controllers.endpoints.plan import CAPACITY, OVER_CAPACITY, plan_endpoints, truncate


def pod(name: str, ready: bool = True, ip: str = "10.0.0.1") -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "n"},
        "status": {"podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


SERVICE: Object = {
    "metadata": {"name": "web", "namespace": "default", "labels": {"team": "a"}},
    "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": [{"port": 80, "protocol": "TCP"}]},
}


def test_ready_and_unready_addresses() -> None:
    made = plan_endpoints(SERVICE, [pod("b", ready=False, ip="10.0.0.2"), pod("a")], None)
    assert made is not None
    subset = made["subsets"][0]
    assert [entry["ip"] for entry in subset["addresses"]] == ["10.0.0.1"]
    assert [entry["ip"] for entry in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert subset["ports"] == [{"port": 80, "protocol": "TCP"}]
    assert made["metadata"]["labels"]["team"] == "a"
    assert plan_endpoints(SERVICE, [pod("b", ready=False, ip="10.0.0.2"), pod("a")], made) is None


def test_no_more_than_a_thousand_and_the_ready_first() -> None:
    many = [{"ip": f"10.0.{n // 250}.{n % 250}"} for n in range(900)]
    short, truncated = truncate([{"addresses": many, "notReadyAddresses": many}])
    assert truncated
    assert (len(short[0]["addresses"]), len(short[0]["notReadyAddresses"])) == (900, CAPACITY - 900)


def test_truncation_is_noted_and_taken_back() -> None:
    pods = [pod(f"p{n:04}", ip=f"10.{n // 250}.0.{n % 250}") for n in range(CAPACITY + 1)]
    made = plan_endpoints(SERVICE, pods, None)
    assert made is not None
    assert made["metadata"]["annotations"] == {OVER_CAPACITY: "truncated"}
    again = plan_endpoints(SERVICE, pods[:5], made)
    assert again is not None
    assert again["metadata"]["annotations"] == {}
