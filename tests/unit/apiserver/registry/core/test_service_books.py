"""What Services hold: every change of type, both ways, and long churn, leave the books as the objects say."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest

from apiserver.registry.core.service.allocators import ServiceAllocators, addresses_of, node_ports_of
from apiserver.registry.networking.serviceaddresses import ranges_in_use
from minikube_py.api.errors import Invalid
from minikube_py.api.resources import SERVICES
from minikube_py.config.parts import Network

Object = dict[str, Any]

_CLOSED: Object = {"externalTrafficPolicy": None, "allocateLoadBalancerNodePorts": None}
_BALANCER: Object = {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}
#: With the number of node ports that each has, the health check's included.
SHAPES: dict[str, tuple[Object, int]] = {
    "cluster": (_CLOSED | {"type": "ClusterIP"}, 0),
    "node": (_CLOSED | {"type": "NodePort", "externalTrafficPolicy": "Cluster"}, 2),
    "balancer": (_BALANCER, 2),
    "local balancer": (_BALANCER | {"externalTrafficPolicy": "Local"}, 3),
    "balancer without node ports": (_BALANCER | {"allocateLoadBalancerNodePorts": False}, 0),
    "name": (_CLOSED | {"type": "ExternalName", "externalName": "example.org"}, 0),
}


def _service(name: str, shape: Object) -> Object:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    return {"metadata": {"name": name}, "spec": {"selector": {"a": "b"}, "ports": ports} | shape}


def _reshaped(service: Object, shape: Object) -> Object:
    """As ``kubectl patch`` does it: the new type's fields, all others as they were."""
    return service | {"spec": service["spec"] | shape}


def _books(allocators: ServiceAllocators) -> tuple[set[int], dict[str, set[int]]]:
    return set(allocators.ports.used), {family: set(held) for family, held in allocators.held.items()}


def _expected(services: list[Object], network: Network) -> tuple[set[int], dict[str, set[int]]]:
    fresh = ServiceAllocators.from_network(network)
    fresh.rebuild(services)
    return _books(fresh)


@pytest.mark.parametrize(("before", "after"), list(permutations(SHAPES, 2)))
def test_a_change_of_type_takes_and_gives_back(registry: Any, before: str, after: str) -> None:
    old = registry.create(SERVICES, _service("s", SHAPES[before][0]))
    new = registry.update(SERVICES, _reshaped(old, SHAPES[after][0]), old)
    assert _books(registry.deps.services) == _expected([new], Network())
    assert bool(addresses_of(new)) == (after != "name")
    if "name" not in (before, after):
        assert addresses_of(new) == addresses_of(old)
    # asked for none any more, a Service keeps those it has (API documentation of allocateLoadBalancerNodePorts)
    kept = 2 if after == "balancer without node ports" and node_ports_of(old) else 0
    assert len(node_ports_of(new)) == max(SHAPES[after][1], kept)
    registry.delete(SERVICES, new)
    assert _books(registry.deps.services) == _expected([], Network())


def test_churn_leaves_nothing_behind(dual_registry: Any) -> None:
    chance, network = Random(20), Network(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"))
    living: dict[str, Object] = {}
    for step in range(1500):
        name = f"s{chance.randrange(12)}"
        shape = chance.choice(list(SHAPES.values()))[0] | _families(chance)
        try:
            if name not in living:
                living[name] = dual_registry.create(SERVICES, _service(name, shape))
            elif chance.random() < 0.3:
                dual_registry.delete(SERVICES, living.pop(name))
            else:
                living[name] = dual_registry.update(SERVICES, _reshaped(living[name], shape), living[name])
        except Invalid:
            pass  # refused: then it must have changed nothing
        if step % 50 == 0:
            assert _books(dual_registry.deps.services) == _expected(list(living.values()), network)
    for service in living.values():
        dual_registry.delete(SERVICES, service)
    assert _books(dual_registry.deps.services) == _expected([], network)


def _families(chance: Random) -> Object:
    return chance.choice([{}, {}, {"ipFamilyPolicy": "PreferDualStack"}, {"ipFamilyPolicy": "SingleStack"}])


def test_an_address_object_keeps_its_address(registry: Any) -> None:
    books = registry.deps.services
    books.reserve(["10.96.0.77"])
    refused = registry.refused(SERVICES, _service("s", {"clusterIP": "10.96.0.77"}))
    assert refused[0].endswith("provided IP is already allocated")
    books.release(["10.96.0.77"])
    held = registry.create(SERVICES, _service("s", {"clusterIP": "10.96.0.77"}))
    books.release(["10.96.0.77"])  # somebody deletes the object: the Service still has its address
    assert registry.refused(SERVICES, _service("t", {"clusterIP": "10.96.0.77"}))
    registry.delete(SERVICES, held)
    books.check_address("10.96.0.77")


def test_reserved_addresses_are_not_picked(registry: Any) -> None:
    books = registry.deps.services
    books.use_ranges(["10.96.5.0/29"])
    books.reserve(f"10.96.5.{last}" for last in range(1, 6))
    assert books.pick_address("IPv4") == "10.96.5.6"


def test_ranges_come_and_go(registry: Any) -> None:
    books = registry.deps.services
    elsewhere = {"clusterIP": "203.0.113.10"}
    assert registry.refused(SERVICES, _service("s", elsewhere))
    books.use_ranges(["10.96.0.0/16", "203.0.113.0/24", "2001:db8::/112"])
    held = registry.create(SERVICES, _service("s", elsewhere))
    books.use_ranges(["10.96.0.0/16"])
    assert registry.refused(SERVICES, _service("t", {"clusterIP": "203.0.113.11"}))
    books.use_ranges(["203.0.113.8/30"])  # the address that is in use stays so in a range that comes later
    assert {books.pick_address("IPv4") for _ in range(20)} == {"203.0.113.9"}
    registry.delete(SERVICES, held)
    books.check_address("203.0.113.10")


def test_addresses_come_from_ready_ranges_the_first_one_first() -> None:
    def entry(name: str, ready: str, **meta: Any) -> Object:
        conditions = [{"type": "Ready", "status": ready}]
        return {"metadata": {"name": name} | meta, "spec": {"cidrs": [name]}, "status": {"conditions": conditions}}

    going = entry("going", "True", deletionTimestamp="2026-01-01T00:00:00Z")
    ranges = [
        entry("a", "True"),
        entry("b", "False"),
        going,
        entry("kubernetes", "True"),
        {"metadata": {"name": "new"}},
    ]
    assert ranges_in_use(ranges) == ["kubernetes", "a"]
