"""Where a Service answers on this machine."""

from __future__ import annotations

import pytest

from minikube_py.api.types import Object
from minikube_py.cli.service import published_addresses


@pytest.mark.parametrize(
    ("spec", "annotations", "addresses"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 80}]}, {}, []),
        ({"type": "ExternalName"}, {}, []),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}, {"nodePort": 30053, "protocol": "UDP"}]},
            {},
            ["127.0.0.1:30007/TCP", "127.0.0.1:30053/UDP"],
        ),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30008}]},
            {"minik.io/published": "80/TCP=127.0.231.1:8080"},
            ["127.0.231.1:8080/TCP", "127.0.0.1:30008/TCP"],
        ),
    ],
)
def test_published_addresses(spec: Object, annotations: dict[str, str], addresses: list[str]) -> None:
    service = {"metadata": {"name": "s", "annotations": annotations}, "spec": spec}
    assert published_addresses(service) == addresses
