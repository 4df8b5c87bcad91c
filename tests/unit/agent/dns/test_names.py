"""Wire names."""

from __future__ import annotations

import pytest

from agent.dns.names import ancestors, decode_name, encode_name, labels_of_name, reverse_name, reverse_zones


def test_names_travel_as_lower_case_labels() -> None:
    wire = encode_name("Web.Default.svc.")
    assert wire == b"\x03web\x07default\x03svc\x00"
    assert decode_name(wire) == "web.default.svc"
    assert labels_of_name(wire) == [b"web", b"default", b"svc"]
    assert [decode_name(name) for name in ancestors(wire)] == ["default.svc", "svc"]
    assert encode_name(".") == encode_name("") == b"\0"
    assert list(ancestors(b"\0")) == []


def test_strange_bytes_are_shown_escaped() -> None:
    assert decode_name(b"\x04a.b\x00\x00") == "a\\046b\\000"


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError):
        encode_name(name)


def test_the_longest_label_survives_lower_casing() -> None:
    wire = encode_name("X" * 63)
    assert wire[0] == 63
    assert labels_of_name(wire) == [b"x" * 63]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.96.0.1", "1.0.96.10.in-addr.arpa"),
        ("fd00::1", "1." + "0." * 29 + "d.f.ip6.arpa"),
    ],
)
def test_reverse_names(address: str, name: str) -> None:
    assert decode_name(reverse_name(address)) == name


@pytest.mark.parametrize(
    ("cidr", "zones"),
    [
        ("10.96.0.0/16", ["96.10.in-addr.arpa"]),
        ("10.244.0.0/23", ["0.244.10.in-addr.arpa", "1.244.10.in-addr.arpa"]),
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("fd00:10::/32", ["0.1.0.0.0.0.d.f.ip6.arpa"]),
        ("fd00:10:96::/108", ["0." * 15 + "6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"]),
    ],
)
def test_reverse_zones(cidr: str, zones: list[str]) -> None:
    assert [decode_name(zone) for zone in reverse_zones(cidr)] == zones
