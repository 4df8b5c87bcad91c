"""Addresses and configurations of a planned cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.plan import agent_config, apiserver_config, identities, make_plan
from minikube_py.cluster.runtimes import Runtimes
from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.parts import Network

PATHS = ClusterPaths(Path("/state/clusters/minik"))


def test_every_node_has_its_own_addresses() -> None:
    plan = make_plan(ClusterConfig(nodes=3), PATHS, Runtimes("process"))
    assert plan.fabric_ip == "192.168.230.1"
    assert [(node.name, node.ip, node.pod_cidrs) for node in plan.nodes] == [
        ("minik-1", "192.168.230.11", ("10.244.0.0/24",)),
        ("minik-2", "192.168.230.12", ("10.244.1.0/24",)),
        ("minik-3", "192.168.230.13", ("10.244.2.0/24",)),
    ]


def test_a_dual_stack_node_has_a_slice_of_each_family() -> None:
    plan = make_plan(ClusterConfig(nodes=2, ip_family="dual"), PATHS, Runtimes("process"))
    assert plan.nodes[1].pod_cidrs == ("10.244.1.0/24", "fd00:10:244:1::/64")
    assert plan.nodes[1].ips == ("192.168.230.12", "fd00:10:230::c")
    assert agent_config(plan, plan.nodes[1]).node_ips == plan.nodes[1].ips


def test_an_ipv6_cluster_has_no_ipv4_address() -> None:
    plan = make_plan(ClusterConfig(nodes=1, ip_family="ipv6"), PATHS, Runtimes("process"))
    assert plan.fabric_url == "https://[fd00:10:230::1]:6443"
    assert all(":" in each for each in (*plan.nodes[0].ips, *plan.nodes[0].pod_cidrs, *plan.config.ranges))


def test_ranges_must_be_of_the_clusters_families() -> None:
    with pytest.raises(ValueError, match="pod_cidrs must be of the family ipv4"):
        ClusterConfig(network=Network(pod_cidrs=("10.244.0.0/16", "fd00:10:244::/56")))


def test_certificates_name_kubernetes_own_users() -> None:
    issued = identities(make_plan(ClusterConfig(nodes=1), PATHS, Runtimes("process")))
    assert issued["minik-1"].common_name == "system:node:minik-1"
    assert issued["minik-1"].organizations == ("system:nodes",)
    assert issued["minik-1"].server_addresses == ("192.168.230.11",)
    assert "10.96.0.1" in issued["apiserver"].server_addresses
    assert issued["admin"].organizations == ("system:masters",)


def test_parts_are_told_where_the_api_server_is() -> None:
    plan = make_plan(ClusterConfig(nodes=1), PATHS, Runtimes("process"))
    assert apiserver_config(plan, (7, 8)).listen_fds == (7, 8)
    assert agent_config(plan, plan.nodes[0]).api.server == "https://192.168.230.1:6443"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "Not_A_Label"}, "DNS label"),
        ({"nodes": 0}, "must be 1 to 200"),
        ({"node_network": "10.244.0.0/24"}, "overlap"),
        ({"node_network": "192.168.1.5/24"}, "host bits"),
        ({"api_port": -1}, "0 to 65535"),
    ],
)
def test_impossible_clusters_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "config",
    [
        ClusterConfig(nodes=10, node_network="192.168.230.0/28"),
        ClusterConfig(nodes=3, network=Network(pod_cidrs=("10.244.0.0/23",))),
        ClusterConfig(nodes=1, network=Network(pod_cidrs=("10.244.0.0/25",))),
    ],
)
def test_networks_too_small_for_the_nodes_are_refused(config: ClusterConfig) -> None:
    with pytest.raises(ValueError, match=r"too small|no room"):
        make_plan(config, PATHS, Runtimes("process"))


def test_sockets_move_where_their_paths_fit() -> None:
    assert PATHS.control_socket == Path("/state/clusters/minik/run/control")
    deep = ClusterPaths(Path("/") / ("deep" * 30) / "minik")
    assert str(deep.control_socket).startswith("/tmp/minik-")
