"""Whose address an endpoint sees."""

from __future__ import annotations

import pytest

from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.model import Backends, Frontend, KeepSource, Kind, PortKey, Route, Scope, Verdict
from minikube_py.dataplane.userspace.clients import Clients

CLIENTS = Clients(pod_cidrs=["10.244.0.0/16"], node_addresses=["192.168.230.11", "127.0.0.0/8"])


def route(keep: KeepSource) -> Route:
    everyone = Backends(Verdict.FORWARD)
    port = PortKey(ObjectKey("default", "web"), "", "TCP")
    return Route(Frontend(Scope.NODE, "10.96.0.9", 80, "TCP"), Kind.CLUSTER_IP, port, everyone, everyone, keep)


@pytest.mark.parametrize(
    ("keep", "client", "endpoint", "kept"),
    [
        (KeepSource.PODS, "10.244.1.2", "10.244.2.2", True),
        (KeepSource.PODS, "10.244.1.2", "10.244.1.2", False),  # itself
        (KeepSource.PODS, "10.244.1.2", "192.168.230.11", False),  # a pod in this node's network
        (KeepSource.PODS, "10.244.1.2", "192.168.230.12", True),  # in another node's
        (KeepSource.PODS, "198.51.100.1", "10.244.2.2", False),
        (KeepSource.ALL, "198.51.100.1", "10.244.2.2", True),
        (KeepSource.ALL, "127.0.0.1", "10.244.2.2", False),
        (KeepSource.NEVER, "10.244.1.2", "10.244.2.2", False),
    ],
)
def test_whose_address_is_seen(keep: KeepSource, client: str, endpoint: str, kept: bool) -> None:
    assert CLIENTS.keeps_source(route(keep), client, endpoint) is kept
