"""Where a Service answers on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pytest import MonkeyPatch

from minikube_py.api.types import Object
from minikube_py.cli.service import published_addresses
from minikube_py.cli.service import service as command


@pytest.mark.parametrize(
    ("spec", "annotations", "addresses"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 80}]}, {}, []),
        ({"type": "ExternalName"}, {}, []),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}, {"nodePort": 30053, "protocol": "UDP"}]},
            {},
            ["http://127.0.0.1:30007", "127.0.0.1:30053/UDP"],
        ),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30008}]},
            {"minik.io/published": "80/TCP=127.0.231.1:8080"},
            ["http://127.0.231.1:8080", "http://127.0.0.1:30008"],
        ),
        (
            {"type": "NodePort", "ipFamilies": ["IPv6", "IPv4"], "ports": [{"port": 80, "nodePort": 30007}]},
            {},
            ["http://[::1]:30007", "http://127.0.0.1:30007"],
        ),
    ],
)
def test_published_addresses(spec: Object, annotations: dict[str, str], addresses: list[str]) -> None:
    service = {"metadata": {"name": "s", "annotations": annotations}, "spec": spec}
    assert published_addresses(service) == addresses


@pytest.mark.parametrize(
    "typed", [["list"], ["web"], ["web", "--url"], ["--url", "web"], ["-n", "shop", "web"], ["show", "web"]]
)
def test_what_is_no_command_is_a_services_name(typed: list[str], tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("MINIK_HOME", str(tmp_path))
    done = CliRunner().invoke(command, typed)
    assert (done.exit_code, 'cluster "minik" does not exist' in done.output) == (1, True)
