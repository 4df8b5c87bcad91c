"""Namespaces, nodes, config, endpoints, events and leases."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from minikube_py.api import resources as r

Object = dict[str, Any]


def _named(**fields: Any) -> Object:
    return {"metadata": {"name": "x"}} | fields


def test_a_namespace_is_born_active_with_a_finalizer(registry: Any) -> None:
    created = registry.create(r.NAMESPACES, _named(status={"phase": "Terminating"}))
    assert created["spec"] == {"finalizers": ["kubernetes"]} and created["status"] == {"phase": "Active"}
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}


def test_a_namespace_finalizer_leaves_through_finalize_only(registry: Any) -> None:
    old = registry.create(r.NAMESPACES, _named())
    bare = old | {"spec": {}}
    assert registry.update(r.NAMESPACES, bare, old)["spec"] == {"finalizers": ["kubernetes"]}
    assert registry.update(r.NAMESPACES, bare, old, subresource="finalize")["spec"] == {}


def test_a_namespace_phase_follows_its_deletion(registry: Any) -> None:
    old = registry.create(r.NAMESPACES, _named())
    refused = registry.update_refused(
        r.NAMESPACES, old | {"status": {"phase": "Terminating"}}, old, subresource="status"
    )
    detail = "may only be 'Active' if `deletionTimestamp` is empty"
    assert refused == [f'status.Phase: Invalid value: "Terminating": {detail}']


def test_node_cells(registry: Any) -> None:
    node = registry.create(r.NODES, _named(
        spec={"unschedulable": True},
        status={
            "conditions": [{"type": "Ready", "status": "False"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6.1", "architecture": "amd64"},
        },
    ))  # fmt: skip
    node["metadata"]["labels"] = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "a"}
    assert registry.cells(r.NODES, node) == {
        "Name": "x", "Status": "NotReady,SchedulingDisabled", "Roles": "a,worker", "Age": "0s", "Version": "v1",
        "Internal-IP": "10.0.0.1", "External-IP": "<none>", "OS-Image": "<unknown>", "Kernel-Version": "6.1 (amd64)",
        "Container-Runtime": "<unknown>",
    }  # fmt: skip


def test_node_defaults_and_changes(registry: Any) -> None:
    old = registry.create(r.NODES, _named(spec={"podCIDR": "10.244.0.0/24"}, status={"capacity": {"cpu": "2"}}))
    assert old["spec"]["podCIDRs"] == ["10.244.0.0/24"] and old["status"]["allocatable"] == {"cpu": "2"}
    moved = old | {"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}}
    detail = 'node updates may not change podCIDR except from "" to valid'
    assert registry.update_refused(r.NODES, moved, old) == [f"spec.podCIDRs: Forbidden: {detail}"]
    assert registry.update(r.NODES, old | {"status": {}}, old)["status"] == old["status"]


def test_taints_are_unique(registry: Any) -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    (refused,) = registry.refused(r.NODES, _named(spec={"taints": [taint, taint]}))
    assert refused.endswith("taints must be unique by key and effect pair")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data": {"a b": ""}}, 'data[a b]: Invalid value: "a b": a valid config key must consist'),
        ({"data": {"a": ""}, "binaryData": {"a": ""}}, 'data[a]: Invalid value: "a": duplicate of key present in'),
        ({"data": {"a": "x" * 1048577}}, "Too long: may not be more than 1048576 bytes"),
    ],
)
def test_bad_config_maps(registry: Any, fields: Object, expected: str) -> None:
    (refused,) = registry.refused(r.CONFIGMAPS, _named(**fields))
    assert refused.startswith(expected)


def test_frozen_config(registry: Any) -> None:
    old = registry.create(r.CONFIGMAPS, _named(data={"a": "1"}, immutable=True))
    refused = registry.update_refused(r.CONFIGMAPS, _named(data={"a": "2"}), old)
    frozen = "field is immutable when `immutable` is set"
    assert refused == [f"immutable: Forbidden: {frozen}", f"data: Forbidden: {frozen}"]


def test_secrets(registry: Any) -> None:
    secret = registry.create(r.SECRETS, _named(stringData={"a": "b"}, data={"c": "ZA=="}))
    assert secret["data"] == {"a": base64.b64encode(b"b").decode(), "c": "ZA=="}
    assert secret["type"] == "Opaque" and "stringData" not in secret
    assert registry.cells(r.SECRETS, secret) == {"Name": "x", "Type": "Opaque", "Data": 2, "Age": "0s"}
    refused = registry.update_refused(r.SECRETS, secret | {"type": "odd"}, secret)
    assert refused == ['type: Invalid value: "odd": field is immutable']


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("kubernetes.io/tls", ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        ("kubernetes.io/basic-auth", ["data[username]: Required value", "data[password]: Required value"]),
        ("kubernetes.io/ssh-auth", ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/dockerconfigjson", ["data[.dockerconfigjson]: Required value"]),
        ("kubernetes.io/service-account-token",
         ["metadata.annotations[kubernetes.io/service-account.name]: Required value"]),
    ],
)  # fmt: skip
def test_secret_types_promise_keys(registry: Any, kind: str, expected: list[str]) -> None:
    assert registry.refused(r.SECRETS, _named(type=kind)) == expected


def test_endpoints(registry: Any) -> None:
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(1, 5)]
    endpoints = registry.create(r.ENDPOINTS, _named(subsets=[{"addresses": addresses, "ports": [{"port": 80}]}]))
    assert endpoints["subsets"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    shown = "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more..."
    assert registry.cells(r.ENDPOINTS, endpoints)["Endpoints"] == shown
    refused = registry.refused(r.ENDPOINTS, _named(subsets=[{}]))
    assert refused == ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]


def test_endpoint_slices(registry: Any) -> None:
    slice_ = _named(addressType="IPv4", ports=[{"port": 80}], endpoints=[{"addresses": ["10.0.0.1"]}])
    created = registry.create(r.ENDPOINTSLICES, slice_)
    assert created["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert registry.cells(r.ENDPOINTSLICES, created) == {
        "Name": "x", "AddressType": "IPv4", "Ports": "80", "Endpoints": "10.0.0.1", "Age": "0s"
    }  # fmt: skip
    more = created | {"endpoints": [*created["endpoints"], {"addresses": ["10.0.0.2"]}]}
    assert registry.update(r.ENDPOINTSLICES, more, created)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"addressType": ""}, ["addressType: Required value"]),
        ({"endpoints": [{"addresses": []}]}, [
            "endpoints[0].addresses: Required value: must contain at least 1 address"]),
        ({"endpoints": [{"addresses": ["::1"]}]}, [
            'endpoints[0].addresses: Invalid value: "::1": must be an IPv4 address',
            'endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ]),
    ],
)  # fmt: skip
def test_bad_slices(registry: Any, fields: Object, expected: list[str]) -> None:
    assert registry.refused(r.ENDPOINTSLICES, _named(addressType="IPv4", endpoints=[]) | fields) == expected


def test_events(registry: Any) -> None:
    event = _named(
        involvedObject={"kind": "Pod", "name": "p", "namespace": "default"},
        reason="Started", message=" hello ", type="Normal", count=3,
        lastTimestamp="2026-01-02T03:03:05Z", firstTimestamp="2026-01-02T03:00:05Z", source={"component": "kubelet"},
    )  # fmt: skip
    cells = registry.cells(r.EVENTS, registry.create(r.EVENTS, event))
    assert cells == {
        "Last Seen": "60s", "Type": "Normal", "Reason": "Started", "Object": "pod/p", "Subobject": "",
        "Source": "kubelet", "Message": "hello", "First Seen": "4m", "Count": 3, "Name": "x",
    }  # fmt: skip
    other = event | {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "other"}}
    detail = "does not match event.namespace"
    assert registry.refused(r.EVENTS, other) == [f'involvedObject.namespace: Invalid value: "other": {detail}']


def test_leases(registry: Any) -> None:
    lease = registry.create(r.LEASES, _named(spec={"holderIdentity": "me", "leaseDurationSeconds": 40}))
    assert registry.cells(r.LEASES, lease)["Holder"] == "me"
    refused = registry.refused(r.LEASES, _named(spec={"leaseDurationSeconds": 0}))
    assert refused == ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]
