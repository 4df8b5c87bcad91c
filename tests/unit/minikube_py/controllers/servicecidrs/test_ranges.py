"""Which range covers what, and whether one may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.servicecidrs.ranges import blocked_by, contains, covers


def cidr(name: str, *cidrs: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


@pytest.mark.parametrize(
    ("address", "covered"),
    [
        ("10.0.0.1", True),
        ("10.0.0.0", False),
        ("10.0.0.255", False),
        ("10.0.1.1", False),
        ("fd00::ffff", True),
        ("fd00::", False),
    ],
)
def test_the_ends_of_a_range_cover_nothing(address: str, covered: bool) -> None:
    assert covers(cidr("a", "10.0.0.0/24", "fd00::/112"), ip_address(address)) is covered


def test_a_range_contains_itself_and_smaller_ones() -> None:
    range_ = cidr("a", "10.0.0.0/24")
    assert contains(range_, "10.0.0.0/24") and contains(range_, "10.0.0.8/29")
    assert not contains(range_, "10.0.0.0/23") and not contains(range_, "fd00::/112")


@pytest.mark.parametrize(
    ("others", "addresses", "blocker"),
    [
        ([], [], None),
        ([], ["10.0.0.7"], "10.0.0.7"),
        ([], ["10.9.0.7", "fd00::1"], None),
        ([cidr("same", "10.0.0.0/24")], ["10.0.0.7"], None),
        ([cidr("larger", "10.0.0.0/8")], ["10.0.0.7"], None),
        ([cidr("part", "10.0.0.0/29")], ["10.0.0.6"], None),
        ([cidr("part", "10.0.0.0/29")], ["10.0.0.7"], "10.0.0.7"),
    ],
)
def test_a_range_stays_while_an_address_needs_it(
    others: list[Object], addresses: list[str], blocker: str | None
) -> None:
    going = cidr("going", "10.0.0.0/24")
    assert blocked_by(going, [going, *others], addresses) == blocker
