"""The routing table against the rules of Kubernetes' documentation, and incremental against rebuilt."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agent.proxy.table.render import render_route
from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import Node
from minikube_py.api.types import Object
from minikube_py.dataplane.model import Frontend, KeepSource, Kind, Reason, Route, Scope, Verdict
from tests.support.services import endpoint, endpoint_slice, port, service

NODE = Node("node-1", ("192.168.230.11", "127.0.0.1"), "zone-a", ("127.0.0.1",))


def table_of(*objects: Object, node: Node = NODE) -> RoutingTable:
    table = RoutingTable(node)
    for obj in objects:
        put(table, obj)
    return table


def put(table: RoutingTable, obj: Object) -> dict[Frontend, Route | None]:
    return table.service_changed(None, obj) if obj["kind"] == "Service" else table.slice_changed(None, obj)


def route(table: RoutingTable, ip: str, number: int, *, protocol: str = "TCP", scope: Scope = Scope.NODE) -> Route:
    return table.routes[Frontend(scope, ip, number, protocol)]


def inside(found: Route) -> list[str]:
    return [str(each) for each in found.inside.endpoints]


def outside(found: Route) -> list[str]:
    return [str(each) for each in found.outside.endpoints]


def reasons(found: Route) -> dict[str, str]:
    return {str(each.endpoint): str(each.reason) for each in found.inside.excluded}


def test_cluster_ip_leads_to_the_ready_endpoints_and_says_why_not_to_the_others() -> None:
    states = [
        endpoint("10.244.0.2"),
        endpoint("10.244.0.3", ready=False),
        endpoint("10.244.0.4", ready=False, serving=True, terminating=True),
        endpoint("10.244.0.5", ready=False, serving=False, terminating=True),
    ]
    found = route(table_of(service("web"), endpoint_slice("web", states)), "10.96.0.50", 80)
    assert inside(found) == ["10.244.0.2:8080"]
    assert reasons(found) == {
        "10.244.0.3:8080": Reason.NOT_READY,
        "10.244.0.4:8080": Reason.TERMINATING,
        "10.244.0.5:8080": Reason.NOT_SERVING,
    }
    assert found.keep_source is KeepSource.PODS


def test_terminating_endpoints_serve_when_no_ready_one_is_left() -> None:
    states = [
        endpoint("10.244.0.3", ready=False),
        endpoint("10.244.0.4", ready=False, serving=True, terminating=True),
        endpoint("10.244.0.5", ready=False, serving=False, terminating=True),
    ]
    found = route(table_of(service("web"), endpoint_slice("web", states)), "10.96.0.50", 80)
    assert inside(found) == ["10.244.0.4:8080"]


def test_absent_conditions_mean_ready() -> None:
    bare = {"addresses": ["10.244.0.2"]}
    assert inside(route(table_of(service("web"), endpoint_slice("web", [bare])), "10.96.0.50", 80))


@pytest.mark.parametrize(
    ("policy", "endpoints", "verdict"),
    [
        ("Cluster", [], Verdict.REJECT),
        ("Local", [], Verdict.REJECT),
        ("Local", [endpoint("10.244.1.2", node="node-2")], Verdict.DROP),
        ("Local", [endpoint("10.244.1.2", node="node-2", ready=False)], Verdict.REJECT),
        ("Local", [endpoint("10.244.0.2")], Verdict.FORWARD),
    ],
)
def test_internal_policy(policy: str, endpoints: list[dict[str, Any]], verdict: Verdict) -> None:
    table = table_of(service("web", internalTrafficPolicy=policy), endpoint_slice("web", endpoints))
    assert route(table, "10.96.0.50", 80).inside.verdict is verdict


def test_external_local_keeps_the_source_and_short_circuits_clients_inside() -> None:
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [port(80, node_port=30007)]}
    slices = endpoint_slice("web", [endpoint("10.244.0.2"), endpoint("10.244.1.2", node="node-2")])
    found = route(table_of(service("web", **spec), slices), "192.168.230.11", 30007)
    assert (found.kind, found.keep_source) == (Kind.NODE_PORT, KeepSource.ALL)
    assert outside(found) == ["10.244.0.2:8080"]
    assert inside(found) == ["10.244.0.2:8080", "10.244.1.2:8080"]
    assert render_route(found)["outside"]["excluded"][0]["reason"] == "OtherNode"


def test_external_local_without_an_endpoint_here_drops_only_clients_outside() -> None:
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [port(80, node_port=30007)]}
    table = table_of(service("web", **spec), endpoint_slice("web", [endpoint("10.244.1.2", node="node-2")]))
    found = route(table, "192.168.230.11", 30007)
    assert (found.inside.verdict, found.outside.verdict) == (Verdict.FORWARD, Verdict.DROP)
    host = route(table, "127.0.0.1", 30007, scope=Scope.HOST)
    assert outside(host) == ["10.244.1.2:8080"]


def test_external_cluster_masquerades() -> None:
    spec = {"type": "NodePort", "ports": [port(80, node_port=30007)]}
    table = table_of(service("web", **spec), endpoint_slice("web", [endpoint("10.244.1.2", node="node-2")]))
    assert route(table, "127.0.0.1", 30007).keep_source is KeepSource.NEVER


def test_load_balancer_and_external_ips() -> None:
    spec = {
        "type": "LoadBalancer",
        "ports": [port(80, node_port=30007)],
        "externalIPs": ["203.0.113.7"],
        "loadBalancerSourceRanges": [" 198.51.100.0/24 "],
        "ingress": [{"ip": "192.168.231.1"}, {"ip": "192.168.231.2", "ipMode": "Proxy"}, {"hostname": "lb.test"}],
    }
    table = table_of(service("web", **spec), endpoint_slice("web", [endpoint("10.244.0.2")]))
    assert {(r.kind, f.ip, r.source_ranges) for f, r in table.routes.items() if f.port == 80} == {
        (Kind.CLUSTER_IP, "10.96.0.50", ()),
        (Kind.EXTERNAL_IP, "203.0.113.7", ()),
        (Kind.LOAD_BALANCER, "192.168.231.1", ("198.51.100.0/24",)),
    }


@pytest.mark.parametrize(
    ("hints", "here"),
    [
        ([{"zones": ("zone-a",)}, {"zones": ("zone-b",)}], ["10.244.0.1:8080"]),
        ([{"zones": ("zone-a",)}, {}], ["10.244.0.1:8080", "10.244.0.2:8080"]),
        ([{"zones": ("zone-b",)}, {"zones": ("zone-b",)}], ["10.244.0.1:8080", "10.244.0.2:8080"]),
        ([{"nodes": ("node-2",)}, {"nodes": ("node-1",)}], ["10.244.0.2:8080"]),
        ([{"zones": ("zone-a",), "nodes": ("node-2",)}, {"zones": ("zone-b",)}], ["10.244.0.1:8080"]),
    ],
)
def test_hints_count_only_when_all_have_them_and_one_points_here(hints: list[dict[str, Any]], here: list[str]) -> None:
    ends = [endpoint(f"10.244.0.{n}", **hint) for n, hint in enumerate(hints, start=1)]
    assert inside(route(table_of(service("web"), endpoint_slice("web", ends)), "10.96.0.50", 80)) == here


def test_ports_are_matched_by_name_and_protocol_and_may_differ_per_slice() -> None:
    ports = [port(80, name="http"), port(53, name="dns", protocol="UDP")]
    table = table_of(
        service("web", ports=ports),
        endpoint_slice("web", [endpoint("10.244.0.2")], ports=[{"name": "http", "protocol": "TCP", "port": 8080}]),
        endpoint_slice(
            "web", [endpoint("10.244.0.3")], name="web-2", ports=[{"name": "http", "protocol": "TCP", "port": 9090}]
        ),
    )
    assert inside(route(table, "10.96.0.50", 80)) == ["10.244.0.2:8080", "10.244.0.3:9090"]
    dns = route(table, "10.96.0.50", 53, protocol="UDP")
    assert dns.inside.verdict is Verdict.REJECT
    assert set(reasons(dns).values()) == {Reason.PORT_NAME}


def test_dual_stack_has_a_route_per_family() -> None:
    table = table_of(
        service("web", clusterIPs=["10.96.0.50", "fd00::50"]),
        endpoint_slice("web", [endpoint("10.244.0.2")]),
        endpoint_slice("web", [endpoint("fd00:10::2")], name="web-6", family="IPv6"),
    )
    assert inside(route(table, "10.96.0.50", 80)) == ["10.244.0.2:8080"]
    assert inside(route(table, "fd00::50", 80)) == ["[fd00:10::2]:8080"]


def test_slices_are_merged_and_an_endpoint_in_two_counts_once() -> None:
    table = table_of(
        service("web"),
        endpoint_slice("web", [endpoint("10.244.0.2", node="")], name="web-a"),
        endpoint_slice("web", [endpoint("10.244.0.2")], name="web-b"),
    )
    assert [each.local for each in route(table, "10.96.0.50", 80).inside.endpoints] == [True]


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "ExternalName", "externalName": "x.test", "clusterIP": "", "clusterIPs": []},
        {"clusterIP": "None", "clusterIPs": ["None"]},
        {"labels": {"service.kubernetes.io/service-proxy-name": "other"}},
    ],
)
def test_services_without_addresses_of_their_own_have_no_route(spec: dict[str, Any]) -> None:
    assert not table_of(service("web", **spec), endpoint_slice("web", [endpoint("10.244.0.2")])).routes


def test_session_affinity_lasts_three_hours_unless_told() -> None:
    table = table_of(service("a", sessionAffinity="ClientIP"))
    assert route(table, "10.96.0.50", 80).affinity_seconds == 10_800
    config = {"clientIP": {"timeoutSeconds": 5}}
    put(table, service("a", sessionAffinity="ClientIP", sessionAffinityConfig=config))
    assert route(table, "10.96.0.50", 80).affinity_seconds == 5


def test_the_older_of_two_claimants_wins_and_the_younger_takes_over() -> None:
    old = service("zed", externalIPs=["203.0.113.7"], created="2025-01-01T00:00:00Z")
    table = table_of(service("abc", ip="10.96.0.51", externalIPs=["203.0.113.7"]), old)
    assert route(table, "203.0.113.7", 80).port.service.name == "zed"
    assert [each.port.service.name for each in table.shadowed()] == ["abc"]
    table.service_changed(old, None)
    assert route(table, "203.0.113.7", 80).port.service.name == "abc"
    assert not table.shadowed()


def test_one_endpoint_change_touches_one_service() -> None:
    table = table_of(*(service(f"s{n}", ip=f"10.96.1.{n}") for n in range(200)))
    assert set(put(table, endpoint_slice("s7", [endpoint("10.244.0.2")]))) == {
        Frontend(Scope.NODE, "10.96.1.7", 80, "TCP")
    }
    assert put(table, endpoint_slice("s7", [endpoint("10.244.0.2")])) == {}


def test_a_slice_can_move_to_another_service() -> None:
    table = table_of(
        service("a"), service("b", ip="10.96.0.51"), endpoint_slice("a", [endpoint("10.244.0.2")], name="x")
    )
    put(table, endpoint_slice("b", [endpoint("10.244.0.2")], name="x"))
    assert not inside(route(table, "10.96.0.50", 80))
    assert inside(route(table, "10.96.0.51", 80))


def test_health_check_counts_local_ready_addresses() -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    ends = [endpoint("10.244.0.2"), endpoint("10.244.0.3", ready=False), endpoint("10.244.1.2", node="node-2")]
    table = table_of(service("web", **spec), endpoint_slice("web", ends))
    assert table.health_checks() == {31000: (("default", "web"), 1)}


def test_the_node_zone_is_learnt() -> None:
    ends = [endpoint("10.244.0.1", zones=("zone-a",)), endpoint("10.244.0.2", zones=("zone-b",))]
    table = table_of(service("web"), endpoint_slice("web", ends))
    table.node_changed({"metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "zone-b"}}})
    assert inside(route(table, "10.96.0.50", 80)) == ["10.244.0.2:8080"]


def _random_service(rng: random.Random, n: int) -> Object:
    policy = rng.choice(["Cluster", "Local"])
    return service(
        f"s{n}",
        ip=f"10.96.0.{n}" if rng.random() < 0.9 else "None",
        type=rng.choice(["ClusterIP", "NodePort", "LoadBalancer"]),
        ports=[port(80, name="a", node_port=rng.choice([0, 30000 + n])), port(81, name="b", protocol="UDP")],
        externalIPs=rng.sample(["203.0.113.1", "203.0.113.2"], rng.randint(0, 2)),
        externalTrafficPolicy=policy,
        internalTrafficPolicy=rng.choice(["Cluster", "Local"]),
        created=f"2026-01-0{rng.randint(1, 3)}T00:00:00Z",
    )


def _random_slice(rng: random.Random) -> Object:
    ends = [
        endpoint(
            f"10.244.0.{rng.randint(1, 9)}",
            node=rng.choice(["node-1", "node-2"]),
            ready=rng.random() < 0.6,
            serving=rng.random() < 0.5,
            terminating=rng.random() < 0.4,
            zones=rng.choice([(), ("zone-a",), ("zone-b",)]),
        )
        for _ in range(rng.randint(0, 4))
    ]
    ports = [
        {"name": name, "protocol": "UDP" if name == "b" else "TCP", "port": 8000}
        for name in rng.choice(["a", "b", "ab"])
    ]
    return endpoint_slice(f"s{rng.randint(1, 4)}", ends, name=f"e{rng.randint(1, 6)}", ports=ports)


@pytest.mark.parametrize("seed", range(40))
def test_incremental_equals_rebuilt(seed: int) -> None:
    rng = random.Random(seed)
    table, objects, mirror = RoutingTable(NODE), dict[tuple[str, str], Object](), dict[Frontend, Route]()
    for _ in range(60):
        obj = _random_service(rng, rng.randint(1, 4)) if rng.random() < 0.5 else _random_slice(rng)
        key = obj["kind"], obj["metadata"]["name"]
        old, new = objects.get(key), None if rng.random() < 0.3 else obj
        change = table.service_changed if key[0] == "Service" else table.slice_changed
        for frontend, found in change(old, new).items():
            mirror.pop(frontend, None)
            if found is not None:
                mirror[frontend] = found
        objects.pop(key, None)
        if new:
            objects[key] = new
        assert mirror == dict(table.routes) == dict(table_of(*objects.values()).routes)
