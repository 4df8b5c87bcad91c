"""Allocation and leases, without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.network.addresses import AddressPool, Lease, Leases, NoAddressLeft
from agent.network.pods import SimulatedPodNetwork, device_name


def test_addresses_begin_after_the_network_and_its_supposed_gateway() -> None:
    pool = AddressPool("10.244.1.0/24")
    assert [pool.take(), pool.take()] == ["10.244.1.2", "10.244.1.3"]


def test_a_range_is_used_up_to_its_last_address_and_no_further() -> None:
    pool = AddressPool("10.244.1.0/29")
    assert [pool.take() for _ in range(pool.size)][-1] == "10.244.1.6"
    with pytest.raises(NoAddressLeft, match=r"no free address in 10\.244\.1\.0/29"):
        pool.take()
    pool.give_back("10.244.1.4")
    pool.give_back("10.9.9.9")
    assert pool.take() == "10.244.1.4"


def test_a_freed_address_comes_round_late() -> None:
    pool = AddressPool("10.244.1.0/28")
    first = pool.take()
    pool.give_back(first)
    assert pool.take() != first


@pytest.mark.parametrize(("cidr", "size"), [("10.0.0.0/32", 1), ("10.0.0.0/31", 1), ("fd00::/120", 254)])
def test_odd_ranges(cidr: str, size: int) -> None:
    pool = AddressPool(cidr)
    assert len({pool.take() for _ in range(pool.size)}) == pool.size == size


def test_leases_survive_and_keep_their_addresses(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "network", ["10.244.1.0/24", "fd00::/64"])
    lease = leases.allocate("uid-1", "veth1")
    leases.save(lease)
    again = Leases(tmp_path / "network", ["10.244.1.0/24", "fd00::/64"])
    assert again.get("uid-1") == Lease("uid-1", ("10.244.1.2", "fd00::2"), "veth1", 0)
    assert again.allocate("uid-2", "veth2").ips == ("10.244.1.3", "fd00::3")
    again.release(lease)
    assert Leases(tmp_path / "network", ["10.244.1.0/24"]).get("uid-1") is None


def test_torn_lease_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "uid-1").write_text('{"pod_uid": "uid-1"')
    (tmp_path / ".uid-2").write_text("{}")
    assert Leases(tmp_path, ["10.244.1.0/24"]).pods() == []


def test_nothing_is_kept_when_one_family_is_used_up(tmp_path: Path) -> None:
    leases = Leases(tmp_path, ["10.244.1.0/24", "10.0.0.0/32"])
    leases.allocate("uid-1", "a")
    for _ in range(300):
        with pytest.raises(NoAddressLeft, match=r"10\.0\.0\.0/32"):
            leases.allocate("uid-2", "b")


def test_device_names_fit_and_differ() -> None:
    assert len(device_name("x" * 36)) <= 15
    assert device_name("a") != device_name("b")


async def test_the_simulated_network_gives_addresses_only() -> None:
    network = SimulatedPodNetwork(["10.244.1.0/24"])
    first = await network.attach("", "uid-1")
    assert first == await network.attach("", "uid-1")
    await network.attach("", "uid-2")
    await network.adopt(["uid-1"])
    await network.detach("uid-2")
    assert first.ips == ("10.244.1.2",)
