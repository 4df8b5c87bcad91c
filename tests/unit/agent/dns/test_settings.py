"""The administrator's ConfigMap: what is read, and what is passed over."""

from __future__ import annotations

import logging

import pytest

from agent.dns.hosts import parse_hosts
from agent.dns.names import encode_name
from agent.dns.records import Type
from agent.dns.settings import parse_settings
from agent.dns.upstream import Server


def test_without_a_config_map_the_host_decides() -> None:
    for config_map in (None, {}, {"data": None}, {"data": {"stubDomains": "", "upstreamNameservers": ""}}):
        routes, hosts = parse_settings(config_map)
        assert (dict(routes.stub_domains), routes.upstreams) == ({}, None)
        assert hosts.lookup(encode_name("x"), Type.A) is None


def test_kube_dns_documented_form() -> None:
    data = {
        "stubDomains": '{"Acme.local": ["1.2.3.4", "1.2.3.5:5353"]}',
        "upstreamNameservers": '["8.8.8.8", "[2001:4860:4860::8888]:53"]',
    }
    routes, _ = parse_settings({"data": data})
    assert routes.stub_domains == {encode_name("acme.local"): (Server("1.2.3.4"), Server("1.2.3.5", 5353))}
    assert routes.upstreams == (Server("8.8.8.8"), Server("2001:4860:4860::8888"))


@pytest.mark.parametrize(
    "data",
    [
        {"stubDomains": "{"},
        {"stubDomains": "[]"},
        {"stubDomains": '{"a": "1.2.3.4"}'},
        {"stubDomains": '{"a": ["dns.example"]}'},
        {"stubDomains": '{"a..b": ["1.2.3.4"]}'},
        {"upstreamNameservers": "8.8.8.8"},
        {"upstreamNameservers": "[8]"},
        {"upstreamNameservers": '["1.2.3.4:x"]'},
    ],
)
def test_what_cannot_be_read_is_said_and_left_out(data: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        routes, _ = parse_settings({"data": data})
    assert (dict(routes.stub_domains), routes.upstreams) == ({}, None)
    assert f"{next(iter(data))} of ConfigMap kube-system/kube-dns is ignored: " in caplog.text


def test_hosts_in_the_form_of_a_hosts_file() -> None:
    hosts = parse_hosts("192.0.2.1 a.example a # first\n192.0.2.2 a.example\n::1 a.example\nnonsense x\n192.0.2.3\n")
    answer = hosts.lookup(encode_name("a.example"), Type.A)
    assert answer is not None
    assert [record.data for record in answer.answers] == [bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])]
    pointer = hosts.lookup(encode_name("1.2.0.192.in-addr.arpa"), Type.PTR)
    assert pointer is not None
    assert pointer.answers[0].data == encode_name("a.example")
