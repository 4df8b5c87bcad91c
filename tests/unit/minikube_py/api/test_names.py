"""Naming rules, with the words clients see."""

from __future__ import annotations

import pytest

from minikube_py.api import names

_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_KEY = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", []),
        ("a-b-1", []),
        ("1a", []),
        ("a.b", ["must not contain dots"]),
        ("-a", [_LABEL]),
        ("A", [_LABEL]),
        ("", [_LABEL]),
        ("a\n", [_LABEL]),
        ("a" * 64, ["must be no more than 63 characters"]),
    ],
)
def test_dns1123_label(value: str, expected: list[str]) -> None:
    assert names.dns1123_label(value) == expected


@pytest.mark.parametrize(
    "value", ["simple", "a.b/c", "Upper_1", "1-num.2-num/3-num", "a" * 63, "a" * 253 + "/" + "b" * 63]
)
def test_qualified_names(value: str) -> None:
    assert names.qualified_name(value) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b", [f"name part {_KEY}"]),
        ("/simple", ["prefix part must be non-empty"]),
        ("a/", ["name part must be non-empty", f"name part {_KEY}"]),
        ("a" * 64, ["name part must be no more than 63 characters"]),
        (
            "a/b/c",
            [f"a valid label key {_KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"],
        ),
    ],
)
def test_bad_qualified_names(value: str, expected: list[str]) -> None:
    assert names.qualified_name(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http", []),
        ("p-1", []),
        ("80", ["must contain at least one letter (a-z)"]),
        ("a--b", ["must not contain consecutive hyphens"]),
        ("-a", ["must not begin or end with a hyphen"]),
        ("A", [
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            "must contain at least one letter (a-z)",
        ]),
        ("abcdefghijklmnop", ["must be no more than 15 characters"]),
    ],
)  # fmt: skip
def test_port_names(value: str, expected: list[str]) -> None:
    assert names.port_name(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10.0.0.1", []),
        ("::1", []),
        ("FE80:0:0:0:0:0:0:0abc", []),
        ("010.0.0.1", ["must not have leading 0s"]),
        ("::ffff:1.2.3.4", ["must not be an IPv4-mapped IPv6 address"]),
        ("1.2.3", [names.IP_MESSAGE]),
        ("fe80::1%eth0", [names.IP_MESSAGE]),
        ("", [names.IP_MESSAGE]),
    ],
)
def test_ip_addresses(value: str, expected: list[str]) -> None:
    assert names.ip_address(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10.0.0.0/8", []),
        ("fd00::/64", []),
        ("10.0.0.1/8", ["must not have bits set beyond the prefix length"]),
        ("10.0.0.0/08", ["must not have leading 0s in IP or prefix length"]),
        ("10.0.0.0", [names.CIDR_MESSAGE]),
        ("10.0.0.0/255.0.0.0", [names.CIDR_MESSAGE]),
        ("x/8", [names.CIDR_MESSAGE]),
    ],
)
def test_cidrs(value: str, expected: list[str]) -> None:
    assert names.cidr(value) == expected


def test_canonical_forms_are_asked_for() -> None:
    assert names.canonical_ip_address("FE80::1") == ['must be in canonical form ("fe80::1")']
    assert names.canonical_cidr("FD00::/64") == ['must be in canonical form ("fd00::/64")']


@pytest.mark.parametrize(("name", "prefix", "good"), [("a-", True, True), ("a-", False, False), ("a", False, True)])
def test_a_prefix_may_end_with_a_dash(name: str, prefix: bool, good: bool) -> None:
    assert (names.subdomain_name(name, prefix) == []) is good


@pytest.mark.parametrize("value", ["a=b", "", "ü", "a\tb"])
def test_bad_environment_names(value: str) -> None:
    assert names.relaxed_env_var_name(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("..", ["must not be '..'"]), (".", ["must not be '.'"]), ("..a", ["must not start with '..'"]), ("a.b", [])],
)
def test_config_map_keys(value: str, expected: list[str]) -> None:
    assert names.config_map_key(value) == expected


@pytest.mark.parametrize(
    ("value", "prefix", "expected"),
    [
        ("..", False, ["may not be '..'"]),
        ("..", True, []),
        ("a/b%", False, ["may not contain '/'", "may not contain '%'"]),
    ],
)
def test_path_segments(value: str, prefix: bool, expected: list[str]) -> None:
    assert names.path_segment(value, prefix) == expected
