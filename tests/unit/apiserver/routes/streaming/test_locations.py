"""Where streams lead, and by which of the kubelet's paths."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.routes.request import parse_query, parse_request
from apiserver.routes.streaming.locations import (
    Endpoint,
    agent_endpoint,
    command_path,
    container_of,
    log_path,
    pod_endpoint,
    port_forward_path,
    proxied_path,
    proxy_prefix,
    service_endpoints,
    service_port_name,
    split_proxy_name,
)
from minikube_py.api.errors import BadRequest, InternalError, ServiceUnavailable

POD: dict[str, Any] = {
    "metadata": {"namespace": "ns", "name": "p"},
    "spec": {
        "initContainers": [{"name": "init"}],
        "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}],
    },
    "status": {"podIP": "10.244.0.5"},
}


def test_the_only_container_is_meant_and_others_must_be_named() -> None:
    assert container_of(POD, "") == "c"
    assert container_of(POD, "init") == "init"
    two = {**POD, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    with pytest.raises(BadRequest, match=r"a container name must be specified for pod p, choose one of: \[a b\]"):
        container_of(two, "")
    with pytest.raises(BadRequest, match="container x is not valid for pod p"):
        container_of(POD, "x")


def test_paths_are_the_kubelets() -> None:
    query = parse_query("command=sh&command=-c&command=a%20b&stdin=true&stdout=1&tty=false&container=c")
    assert command_path("exec", POD, query) == "/exec/ns/p/c?input=1&output=1&command=sh&command=-c&command=a+b"
    assert log_path(POD, parse_query("follow=true&tailLines=5")) == "/containerLogs/ns/p/c?follow=true&tailLines=5"
    assert port_forward_path(POD, {}) == "/portForward/ns/p"
    assert port_forward_path(POD, parse_query("ports=80,81")) == "/portForward/ns/p?port=80&port=81"
    with pytest.raises(BadRequest, match="at least 1 of stdin, stdout, stderr"):
        command_path("exec", POD, parse_query("command=sh"))


def test_agents_are_where_their_nodes_say() -> None:
    node = {
        "status": {
            "addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "fd00::1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 1234}},
        }
    }
    assert agent_endpoint(node).url == "https://[fd00::1]:1234"
    with pytest.raises(InternalError, match="no preferred addresses found"):
        agent_endpoint({"status": {}})


@pytest.mark.parametrize(
    ("scheme", "port", "expected"),
    [("", "", Endpoint("10.244.0.5", 8080, tls=False)), ("https", "web", Endpoint("10.244.0.5", 8080)),
     ("", "99", Endpoint("10.244.0.5", 99, tls=False))],
)  # fmt: skip
def test_pods(scheme: str, port: str, expected: Endpoint) -> None:
    assert pod_endpoint(POD, scheme, port) == expected


def test_services() -> None:
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}}
    assert service_port_name(service, "81") == "b"
    assert service_port_name(service, "a") == "a"
    with pytest.raises(ServiceUnavailable, match='no service port "" found for service "s"'):
        service_port_name(service, "")
    slices = [
        {
            "ports": [{"name": "b", "port": 9376}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
            ],
        }
    ]
    assert service_endpoints(slices, "", "b") == [Endpoint("10.0.0.1", 9376, tls=False)]
    assert service_endpoints(slices, "", "a") == []


@pytest.mark.parametrize(
    ("text", "expected"), [("s", ("", "s", "")), ("s:80", ("", "s", "80")), ("https:s:web", ("https", "s", "web"))]
)
def test_proxy_names(text: str, expected: tuple[str, str, str]) -> None:
    assert split_proxy_name(text) == expected


def test_bad_proxy_names() -> None:
    with pytest.raises(BadRequest):
        split_proxy_name("ftp:s:80")


@pytest.mark.parametrize(
    ("target", "path", "prefix"),
    [
        ("/api/v1/namespaces/n/pods/proxy-1/proxy", "/", "/api/v1/namespaces/n/pods/proxy-1/proxy"),
        ("/api/v1/namespaces/n/services/web:80/proxy/a/b/", "/a/b/", "/api/v1/namespaces/n/services/web:80/proxy"),
        ("/api/v1/nodes/n1/proxy/logs/", "/logs/", "/api/v1/nodes/n1/proxy"),
    ],
)
def test_the_path_behind_a_proxy(target: str, path: str, prefix: str) -> None:
    info = parse_request("GET", target)
    assert (proxied_path(info), proxy_prefix(info)) == (path, prefix)
