"""Services: defaults, addresses and ports, type changes, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.errors import Invalid
from minikube_py.api.resources import SERVICES

Object = dict[str, Any]


def _service(name: str = "s", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]} | spec}


def _changed(service: Object, **spec: Any) -> Object:
    return service | {"spec": service["spec"] | spec}


def test_defaults(registry: Any) -> None:
    spec = registry.create(SERVICES, _service())["spec"]
    address = spec["clusterIP"]
    assert spec == {
        "selector": {"a": "b"},
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "clusterIP": address,
        "clusterIPs": [address],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }


def test_defaults_of_outside_types(registry: Any) -> None:
    node_port = registry.create(SERVICES, _service("n", type="NodePort"))["spec"]
    assert node_port["externalTrafficPolicy"] == "Cluster"
    assert 30086 <= node_port["ports"][0]["nodePort"] <= 32767  # the lower band is left to those who ask by number
    balancer = registry.create(SERVICES, _service("l", type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert balancer["allocateLoadBalancerNodePorts"] is True
    assert 30086 <= balancer["healthCheckNodePort"] <= 32767
    assert balancer["healthCheckNodePort"] != balancer["ports"][0]["nodePort"]


def test_client_affinity_lasts_three_hours(registry: Any) -> None:
    spec = registry.create(SERVICES, _service(sessionAffinity="ClientIP"))["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"ports": []}, ["spec.ports: Required value"]),
        ({"ports": [{"port": 0}]}, [
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ]),
        ({"ports": [{"port": 80}, {"port": 81}]}, [
            "spec.ports[0].name: Required value", "spec.ports[1].name: Required value",
        ]),
        ({"ports": [{"port": 80, "protocol": "ICMP"}]}, [
            'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ]),
        ({"ports": [{"port": 80, "nodePort": 30007}]}, [
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ]),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, [
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,'
            '"TargetPort":0,"NodePort":0}',
        ]),
        ({"type": "ExternalName"}, ["spec.externalName: Required value"]),
        ({"type": "Nope"}, [
            'spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
            '"NodePort"',
        ]),
        ({"type": "NodePort", "clusterIP": "None"}, [
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ]),
        ({"externalIPs": ["127.0.0.1"]}, [
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ]),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90000}}}, [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less "
            "than 86400",
        ]),
        ({"loadBalancerSourceRanges": ["10.0.0.0/8"]}, [
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ]),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, [
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
            "The range of valid ports is 30000-32767",
        ]),
        ({"clusterIP": "10.97.0.1"}, [
            'spec.clusterIPs: Invalid value: ["10.97.0.1"]: failed to allocate IP 10.97.0.1: '
            "the provided network does not match the current range",
        ]),
        ({"clusterIP": "10.96.0.0"}, [
            'spec.clusterIPs: Invalid value: ["10.96.0.0"]: failed to allocate IP 10.96.0.0: '
            "the provided network does not match the current range",
        ]),
        ({"ipFamilyPolicy": "RequireDualStack"}, [
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
            "services",
        ]),
        ({"ipFamilies": ["IPv6"]}, [
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ]),
        ({"trafficDistribution": "Near"}, [
            'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", '
            '"PreferSameNode"',
        ]),
    ],
)  # fmt: skip
def test_refusals(registry: Any, spec: Object, expected: list[str]) -> None:
    assert registry.refused(SERVICES, _service(**spec)) == expected


def test_an_address_is_given_once(registry: Any) -> None:
    registry.create(SERVICES, _service("a", clusterIP="10.96.0.10"))
    refused = registry.refused(SERVICES, _service("b", clusterIP="10.96.0.10"))
    text = 'spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: '
    assert refused == [f"{text}provided IP is already allocated"]


def test_a_node_port_is_given_once_until_its_service_goes(registry: Any) -> None:
    ports = [{"port": 80, "nodePort": 30007}]
    first = registry.create(SERVICES, _service("a", type="NodePort", ports=ports))
    refused = registry.refused(SERVICES, _service("b", type="NodePort", ports=ports))
    assert refused == ["spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated"]
    registry.delete(SERVICES, first)
    registry.create(SERVICES, _service("b", type="NodePort", ports=ports))


def test_nothing_leaks_from_failed_or_dry_run_creates(registry: Any) -> None:
    books = registry.deps.services
    registry.create(SERVICES, _service("a", type="NodePort", clusterIP="10.96.0.10"), dry_run=True)
    with pytest.raises(Invalid):
        registry.create(SERVICES, _service("a", type="NodePort", sessionAffinity="x"))
    assert not books.ports.used and not books.held["IPv4"]


def test_tcp_and_udp_of_one_port_share_a_node_port(registry: Any) -> None:
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    tcp, udp = registry.create(SERVICES, _service(type="NodePort", ports=ports))["spec"]["ports"]
    assert tcp["nodePort"] == udp["nodePort"]


def test_the_address_stays(registry: Any) -> None:
    old = registry.create(SERVICES, _service())
    refused = registry.update_refused(SERVICES, _changed(old, clusterIP="10.96.7.7"), old)
    assert refused == ['spec.clusterIPs[0]: Invalid value: ["10.96.7.7"]: may not change once set']


def test_a_replacement_without_allocated_values_keeps_them(registry: Any) -> None:
    old = registry.create(SERVICES, _service(type="NodePort"))
    new = registry.update(SERVICES, _service(type="NodePort"), old)
    assert new["spec"] == old["spec"]


def test_type_changes_allocate_and_release(registry: Any) -> None:
    books = registry.deps.services
    plain = registry.create(SERVICES, _service())
    opened = registry.update(SERVICES, _changed(plain, type="NodePort"), plain)
    port = opened["spec"]["ports"][0]["nodePort"]
    assert books.ports.used == {port}
    balanced = registry.update(SERVICES, _changed(opened, type="LoadBalancer", externalTrafficPolicy="Local"), opened)
    assert books.ports.used == {port, balanced["spec"]["healthCheckNodePort"]}
    closed = registry.update(SERVICES, _changed(balanced, type="ClusterIP"), balanced)
    assert closed["spec"] == plain["spec"] and not books.ports.used
    renamed = registry.update(SERVICES, _changed(closed, type="ExternalName", externalName="x.org"), closed)
    assert not books.held["IPv4"]
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & renamed["spec"].keys()
    back = registry.update(SERVICES, _changed(renamed, type="ClusterIP"), renamed)
    assert back["spec"]["clusterIP"] and len(books.held["IPv4"]) == 1


def test_headless(registry: Any) -> None:
    selected = registry.create(SERVICES, _service("a", clusterIP="None"))["spec"]
    assert (selected["clusterIPs"], selected["ipFamilies"]) == (["None"], ["IPv4"])
    by_hand = registry.create(SERVICES, _service("b", clusterIP="None", selector=None))["spec"]
    assert (by_hand["ipFamilyPolicy"], by_hand["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])


def test_dual_stack(dual_registry: Any) -> None:
    service = dual_registry.create(SERVICES, _service(ipFamilyPolicy="PreferDualStack"))
    spec = service["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"] and spec["clusterIPs"][1].startswith("fd00:10:96::")
    single = dual_registry.update(SERVICES, _changed(service, ipFamilyPolicy="SingleStack"), service)
    assert single["spec"]["clusterIPs"] == spec["clusterIPs"][:1]
    assert not dual_registry.deps.services.held["IPv6"]
    again = dual_registry.update(SERVICES, _changed(single, ipFamilyPolicy="RequireDualStack"), single)
    assert len(again["spec"]["clusterIPs"]) == 2


def test_dual_stack_needs_a_policy(dual_registry: Any) -> None:
    refused = dual_registry.refused(SERVICES, _service(ipFamilies=["IPv4", "IPv6"]))
    detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
    assert refused == [f'spec.ipFamilyPolicy: Invalid value: "SingleStack": {detail}']


def test_books_are_rebuilt_from_stored_services(registry: Any) -> None:
    services = [registry.create(SERVICES, _service(name, type="NodePort")) for name in ("a", "b")]
    books = registry.deps.services
    before = set(books.ports.used), set(books.held["IPv4"])
    registry.deps.rebuild(services)
    assert (books.ports.used, books.held["IPv4"]) == before


def test_a_full_range_falls_back_to_the_lower_band(registry: Any) -> None:
    ports = registry.deps.services.ports
    ports.used |= set(range(30086, 32768))
    assert registry.deps.services.pick_port(set()) < 30086


def test_status_is_only_for_load_balancers(registry: Any) -> None:
    ingress = {"loadBalancer": {"ingress": [{"ip": "192.168.231.1"}]}}
    plain = registry.create(SERVICES, _service("a"))
    refused = registry.update_refused(SERVICES, plain | {"status": ingress}, plain, subresource="status")
    assert refused == ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]
    balanced = registry.create(SERVICES, _service("b", type="LoadBalancer"))
    updated = registry.update(SERVICES, balanced | {"status": ingress}, balanced, subresource="status")
    assert updated["status"]["loadBalancer"]["ingress"] == [{"ip": "192.168.231.1", "ipMode": "VIP"}]
    assert registry.cells(SERVICES, updated)["External-IP"] == "192.168.231.1"


@pytest.mark.parametrize(
    ("spec", "external", "ports"),
    [
        ({}, "<none>", "80/TCP"),
        ({"externalIPs": ["1.2.3.4", "1.2.3.5"]}, "1.2.3.4,1.2.3.5", "80/TCP"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}]}, "<none>", "80:30007/TCP"),
        ({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30007}]}, "<pending>", "80:30007/TCP"),
        ({"type": "ExternalName", "externalName": "x.org", "ports": []}, "x.org", "<none>"),
    ],
)
def test_cells(registry: Any, spec: Object, external: str, ports: str) -> None:
    cells = registry.cells(SERVICES, registry.create(SERVICES, _service(**spec)))
    assert (cells["External-IP"], cells["Port(s)"], cells["Selector"]) == (external, ports, "a=b")


def test_warnings(registry: Any) -> None:
    registry.create(SERVICES, _service(externalName="x.org", trafficDistribution="PreferClose"))
    assert registry.warnings == [
        'spec.externalName is ignored when spec.type is not "ExternalName"',
        'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ]
