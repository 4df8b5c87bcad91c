"""Clusters of one machine: which ranges each gets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from minikube_py.cluster.hostlink import device_of
from minikube_py.cluster.ranges import Ranges, choose_ranges
from minikube_py.config.cluster import ClusterConfig, IPFamily
from minikube_py.config.families import DISTINCT_CLUSTERS

SCOPE = f"minik-test-{os.getpid()}"


class Machine:
    """Clusters that start one after the other, beside the ``routes`` of their machine."""

    def __init__(self) -> None:
        self.routes: list[str] = ["0.0.0.0/0", "192.0.2.0/24"]
        self.clusters: list[Ranges] = []

    def start(self, config: ClusterConfig) -> Ranges:
        self.clusters.append(choose_ranges(config, lambda: self.routes, scope=SCOPE))
        return self.clusters[-1]


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    for each in made.clusters:
        each.close()


def test_the_first_cluster_has_kubeadms_ranges(machine: Machine) -> None:
    first = machine.start(ClusterConfig())
    assert first.config == ClusterConfig()
    assert first.note == ""


def test_the_second_has_its_own_and_says_so(machine: Machine) -> None:
    machine.start(ClusterConfig(name="one"))
    second = machine.start(ClusterConfig(name="two"))
    assert second.config.ranges == ("10.97.0.0/16", "10.243.0.0/16", "192.168.228.0/24", "192.168.229.0/24")
    assert second.config.network.dns_ips == ("10.97.0.10",)
    assert second.note == "Services in 10.97.0.0/16, pods in 10.243.0.0/16: the usual ranges are taken"


def test_ranges_that_are_given_back_are_given_again(machine: Machine) -> None:
    machine.start(ClusterConfig(name="one")).close()
    assert machine.start(ClusterConfig(name="two")).note == ""


def test_what_the_machine_routes_elsewhere_is_left_to_it(machine: Machine) -> None:
    machine.routes += ["10.96.0.0/15", "10.242.7.0/24"]
    chosen = machine.start(ClusterConfig())
    assert chosen.config.network.service_cidrs == ("10.99.0.0/16",)


def test_where_nothing_is_free_of_routes_the_user_is_told(machine: Machine) -> None:
    machine.routes.append("10.0.0.0/8")
    chosen = machine.start(ClusterConfig())
    assert chosen.config == ClusterConfig()
    assert "uses 10.96.0.0/16, 10.244.0.0/16 itself" in chosen.note


def test_ranges_that_somebody_asked_for_stand(machine: Machine) -> None:
    machine.start(ClusterConfig(name="one"))
    asked = ClusterConfig(name="two", node_network="192.168.77.0/24")
    assert machine.start(asked).config == asked


def test_more_clusters_than_ranges(machine: Machine) -> None:
    for number in range(DISTINCT_CLUSTERS):
        machine.start(ClusterConfig(name=f"c{number}"))
    late = machine.start(ClusterConfig(name="late"))
    assert late.config.ranges == ClusterConfig().ranges
    assert late.note == "16 clusters run: this one has the addresses of the first"


@pytest.mark.parametrize("family", ["ipv4", "ipv6", "dual"])
def test_no_two_clusters_of_a_machine_overlap(family: IPFamily) -> None:
    usual = ClusterConfig(ip_family=family)
    ranges = [each for number in range(DISTINCT_CLUSTERS) for each in usual.numbered(number).ranges]
    assert len(set(ranges)) == len(ranges)
    for number in range(DISTINCT_CLUSTERS):  # the same checks as for a person's own choice
        replace(usual.numbered(number))


def test_the_hosts_device_has_a_name_of_its_own() -> None:
    assert device_of("lab", "lab-1", ["eth0"]) == "minik-lab"
    assert device_of("lab", "lab-1", ["minik-lab"]) != device_of("lab", "lab-2", ["minik-lab"])
    assert len(device_of("a-name-that-is-long", "label", [])) <= 15
