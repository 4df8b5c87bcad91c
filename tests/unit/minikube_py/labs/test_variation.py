"""Details differ between students, and never between two starts of one student."""

from __future__ import annotations

import ipaddress

import pytest

from minikube_py.labs.model import Vary
from minikube_py.labs.variation import UnknownValue, choose, fill, fill_all, flat

VARY = {
    "app": Vary(choose=["a", "b", "c"]),
    "port": Vary(between=(8000, 8999)),
    "address": Vary.model_validate({"addressIn": "203.0.113.0/24"}),
}


def test_the_same_seed_gives_the_same_details() -> None:
    assert choose(VARY, "lab", "ann") == choose(VARY, "lab", "ann")
    assert len({choose(VARY, "lab", str(seed))["port"] for seed in range(20)}) > 10
    assert choose(VARY, "lab", "ann")["port"] != choose(VARY, "other", "ann")["port"]


def test_a_new_detail_leaves_the_others() -> None:
    assert choose(VARY | {"new": Vary(choose=[1])}, "lab", "ann").items() >= choose(VARY, "lab", "ann").items()


def test_addresses_are_of_hosts() -> None:
    for seed in range(300):
        address = ipaddress.ip_address(choose(VARY, "lab", str(seed))["address"])
        assert address in ipaddress.ip_network("203.0.113.0/24")
        assert int(address) & 0xFF not in (0, 255)


def test_a_text_that_is_one_place_keeps_the_type() -> None:
    filled = fill_all(
        {"equals": "${port}", "url": "http://web:${port}/", "${app}": ["${app}"]}, {"port": 8080, "app": "a"}
    )
    assert filled == {"equals": 8080, "url": "http://web:8080/", "a": ["a"]}


def test_details_that_belong_together() -> None:
    assert fill("${at.home}", flat({"at": {"home": "n2"}, "x": 1})) == "n2"


def test_a_place_that_nobody_fills_is_told() -> None:
    with pytest.raises(UnknownValue, match="nobody"):
        fill("${nobody}", {"app": "a"})
    assert fill("$HOME $(date) ${app}", {"app": "a"}) == "$HOME $(date) a"
