"""Which IPAddress objects a change of a Service makes and removes."""

from __future__ import annotations

from typing import Any

from apiserver.registry.networking.serviceaddresses import address_changes


def _service(*addresses: str, kind: str = "ClusterIP") -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"type": kind, "clusterIPs": list(addresses)}}


def test_a_new_service_holds_its_addresses() -> None:
    taken, released = address_changes(None, _service("10.96.0.7", "fd00::7"))
    assert released == [] and [obj["metadata"]["name"] for obj in taken] == ["10.96.0.7", "fd00::7"]
    assert taken[1] == {
        "metadata": {
            "name": "fd00::7",
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv6",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"resource": "services", "namespace": "shop", "name": "web"}},
    }


def test_a_headless_service_holds_none() -> None:
    assert address_changes(None, _service("None")) == ([], [])


def test_a_deleted_or_external_service_gives_them_up() -> None:
    service = _service("10.96.0.7")
    assert address_changes(service, None) == ([], ["10.96.0.7"])
    assert address_changes(service, _service(kind="ExternalName")) == ([], ["10.96.0.7"])


def test_other_changes_change_nothing() -> None:
    assert address_changes(_service("10.96.0.7"), _service("10.96.0.7")) == ([], [])
