"""Addresses are kept, asked for, exhausted and given back."""

from __future__ import annotations

import pytest

from minikube_py.api.types import ObjectKey
from minikube_py.cloud.pool import AddressPool, NoAddress

A, B = ObjectKey("default", "a"), ObjectKey("default", "b")


def test_an_address_is_kept_and_given_back() -> None:
    pool = AddressPool(["192.168.231.0/30"])
    assert pool.assign(A, ["IPv4"], ()) == ("192.168.231.1",)
    assert pool.assign(A, ["IPv4"], ()) == ("192.168.231.1",)
    assert pool.assign(B, ["IPv4"], ()) == ("192.168.231.2",)
    assert pool.release(A) == ("192.168.231.1",)
    assert pool.assign(ObjectKey("default", "c"), ["IPv4"], ()) == ("192.168.231.1",)


def test_an_exhausted_pool_says_so() -> None:
    pool = AddressPool(["192.168.231.0/30"])
    pool.assign(A, ["IPv4"], ())
    pool.assign(B, ["IPv4"], ())
    with pytest.raises(NoAddress, match=r"no address is free in 192\.168\.231\.0/30"):
        pool.assign(ObjectKey("default", "c"), ["IPv4"], ())


def test_static_addresses() -> None:
    pool = AddressPool(["192.168.231.0/24"])
    assert pool.assign(A, ["IPv4"], ("192.168.231.77",)) == ("192.168.231.77",)
    with pytest.raises(NoAddress, match="in use by service default/a"):
        pool.assign(B, ["IPv4"], ("192.168.231.77",))
    with pytest.raises(NoAddress, match="is not in"):
        pool.assign(B, ["IPv4"], ("10.0.0.1",))
    assert pool.assign(A, ["IPv4"], ("192.168.231.78",)) == ("192.168.231.78",)
    assert pool.assign(B, ["IPv4"], ("192.168.231.77",)) == ("192.168.231.77",)


def test_addresses_from_before_a_restart_are_adopted_once() -> None:
    pool = AddressPool(["192.168.231.0/24"])
    pool.adopt(A, ["192.168.231.5", "203.0.113.1"])
    pool.adopt(B, ["192.168.231.5"])
    assert pool.assign(A, ["IPv4"], ()) == ("192.168.231.5",)
    assert pool.assign(B, ["IPv4"], ()) != ("192.168.231.5",)


def test_dual_stack() -> None:
    pool = AddressPool(["192.168.231.0/24", "fd00:231::/120"])
    assert pool.assign(A, ["IPv6", "IPv4"], ()) == ("fd00:231::1", "192.168.231.1")
    with pytest.raises(NoAddress, match="no address pool for IPv6"):
        AddressPool(["192.168.231.0/24"]).assign(A, ["IPv6"], ())
