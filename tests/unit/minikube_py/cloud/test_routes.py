"""Routes of a balancer over healthy nodes."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.cloud.routes import published, routes_of
from minikube_py.cloud.views import FINALIZER, LoadBalancer, PodSlice, TargetNode
from minikube_py.dataplane.model import Frontend, KeepSource, Route, Scope, Verdict
from tests.support.services import endpoint, endpoint_slice, port, service

NODES = [TargetNode("n2", ("192.168.230.12",)), TargetNode("n1", ("192.168.230.11",))]


def balancer(**spec: Any) -> LoadBalancer:
    ports = spec.pop("ports", [port(80, node_port=30080)])
    view = LoadBalancer.from_object(service("web", type="LoadBalancer", ports=ports, **spec))
    assert view is not None
    return view


def routes(view: LoadBalancer, nodes: list[TargetNode] = NODES, **options: Any) -> dict[Frontend, Route]:
    return routes_of(view, ["192.168.231.7"], nodes, **{"slices": [], "publish": True, "privileged": False} | options)


def test_traffic_goes_to_the_node_ports_and_the_host_gets_a_published_port() -> None:
    found = routes(balancer(loadBalancerSourceRanges=["198.51.100.0/24"]))
    outside, host = found.values()
    assert str(outside.frontend) == "192.168.231.7:80/TCP"
    assert [str(each) for each in outside.inside.endpoints] == ["192.168.230.11:30080", "192.168.230.12:30080"]
    assert (outside.keep_source, outside.source_ranges) == (KeepSource.ALL, ("198.51.100.0/24",))
    assert host.frontend == Frontend(Scope.HOST, "127.0.231.7", 8080, "TCP")
    assert (host.keep_source, host.source_ranges) == (KeepSource.NEVER, ())


def test_who_may_bind_lower_ports_publishes_them_unchanged() -> None:
    assert Frontend(Scope.HOST, "127.0.231.7", 80, "TCP") in routes(balancer(), privileged=True)
    assert published(balancer(), ["192.168.231.7"], privileged=False) == "80/TCP=127.0.231.7:8080"


def test_without_a_healthy_node_clients_are_refused() -> None:
    assert {route.inside.verdict for route in routes(balancer(), []).values()} == {Verdict.REJECT}


@pytest.mark.parametrize(
    ("endpoints", "reached"),
    [
        ([endpoint("10.244.0.3"), endpoint("10.244.0.2")], ["10.244.0.2:8080", "10.244.0.3:8080"]),
        ([endpoint("10.244.0.2"), endpoint("10.244.0.3", ready=False)], ["10.244.0.2:8080"]),
        ([endpoint("10.244.0.2", ready=False, serving=True, terminating=True)], ["10.244.0.2:8080"]),
        ([endpoint("10.244.0.2", ready=False)], []),
    ],
)
def test_ports_without_a_node_port_lead_to_the_pods(endpoints: list[dict[str, Any]], reached: list[str]) -> None:
    pieces = [
        endpoint_slice("web", endpoints, ports=[port(8080), port(9090, name="other")]),
        endpoint_slice("web", [endpoint("fd00::2")], family="IPv6"),
    ]
    found = routes(balancer(ports=[port(80)]), slices=list(map(PodSlice.from_object, pieces)))
    assert {str(frontend) for frontend in found} == {"192.168.231.7:80/TCP", "127.0.231.7:8080/TCP (host)"}
    for route in found.values():
        assert [str(each) for each in route.inside.endpoints] == reached
        assert route.inside.verdict is (Verdict.FORWARD if reached else Verdict.REJECT)


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "NodePort"},
        {"type": "LoadBalancer", "loadBalancerClass": "example.com/other"},
    ],
)
def test_other_services_are_not_ours(spec: dict[str, Any]) -> None:
    assert LoadBalancer.from_object(service("web", **spec)) is None


def test_a_service_that_is_being_deleted_is_let_go() -> None:
    obj = service("web", type="LoadBalancer")
    obj["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FINALIZER]}
    assert LoadBalancer.from_object(obj) is None


def test_nodes_that_ask_to_be_left_out() -> None:
    node: dict[str, Any] = {
        "metadata": {"name": "n1", "labels": {}},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.230.11"}]},
    }
    assert TargetNode.from_object(node) == TargetNode("n1", ("192.168.230.11",))
    node["metadata"]["labels"] = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    assert TargetNode.from_object(node) is None


def test_proxy_protocol_is_asked_for_by_annotation_and_excludes_short_cuts() -> None:
    """Pods that went past the balancer would bring no line: they are sent to it (``ipMode: Proxy``, KEP-1860)."""
    obj = service("web", type="LoadBalancer", ports=[port(80, node_port=30080)])
    obj["metadata"]["annotations"] = {"minik.io/proxy-protocol": "v1"}
    view = LoadBalancer.from_object(obj)
    assert view is not None and view.ip_mode == "Proxy"
    found = routes(view)
    assert all(route.proxy_protocol and route.keep_source is KeepSource.NEVER for route in found.values())


def test_at_the_edge_node_ports_and_the_balancers_own_ports_lead_to_nodes() -> None:
    ports = [port(80, node_port=30080), port(81)]
    view = LoadBalancer.at_the_edge(service("web", type="LoadBalancer", ports=ports))
    assert view is not None
    found = routes_of(view, ["192.168.232.130"], NODES, [], publish=False, privileged=True)
    assert [str(each) for each in found] == ["192.168.232.130:30080/TCP", "192.168.232.130:80/TCP"]
    assert {route.keep_source for route in found.values()} == {KeepSource.NEVER}
    assert {str(each) for route in found.values() for each in route.inside.endpoints} == {
        "192.168.230.11:30080",
        "192.168.230.12:30080",
    }
    only = LoadBalancer.at_the_edge(service("web", type="NodePort", ports=ports))
    assert only is not None
    assert [each.port for each in only.ports] == [30080]
    assert LoadBalancer.at_the_edge(service("web", type="ClusterIP", ports=[port(80)])) is None
