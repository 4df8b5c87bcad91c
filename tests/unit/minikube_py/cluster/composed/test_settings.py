"""What a composition is told: nothing that somebody else has, and the same for every later command."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from minikube_py.cluster.composed import settings as module
from minikube_py.cluster.composed.project import COMPOSE_FILE
from minikube_py.cluster.composed.settings import (
    Settings,
    check_possible,
    choose_settings,
    free_network,
    saved_settings,
)
from minikube_py.cluster.engine import EngineFacts
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.config.cluster import ClusterConfig
from tests.support.scriptedengine import ScriptedEngine


def _network(*subnets: str) -> dict[str, object]:
    return {"IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


@pytest.mark.parametrize(
    ("networks", "free"),
    [
        ([], "192.168.232"),
        ([{"IPAM": None}, _network("fd00::/64", "172.17.0.0/16")], "192.168.232"),
        ([_network("192.168.232.0/24"), _network("192.168.233.128/25")], "192.168.234"),
        ([_network("192.168.224.0/20")], "192.168.240"),
    ],
)
def test_a_network_that_nobody_has(networks: list[dict[str, object]], free: str) -> None:
    assert free_network(networks) == free


def test_no_network_is_left() -> None:
    with pytest.raises(NoEngine, match=r"192\.168\.232\.0/24 to 192\.168\.251\.0/24"):
        free_network([_network("192.168.0.0/16")])


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    path = tmp_path / "docker.sock"
    with ScriptedEngine(path, {"/networks": (200, [_network("192.168.232.0/24")])}):
        facts = EngineFacts(path, "1", "another kernel", same_kernel=False)
        return choose_settings(ClusterConfig(name="lab", nodes=2), ClusterPaths(tmp_path / "lab", 0), facts, "minik:x")


def test_later_commands_know_them(chosen: Settings, tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path / "lab", 0)
    assert saved_settings(paths) is None
    chosen.save(paths)
    assert saved_settings(paths) == chosen
    assert chosen.node_names == ("lab-1", "lab-2")
    paths.composed_file.write_text("{")
    assert saved_settings(paths) is None


def test_two_users_with_a_cluster_of_one_name_share_nothing(chosen: Settings) -> None:
    other = module.Settings(**{**{name: getattr(chosen, name) for name in chosen.__slots__}, "project": "lab-other"})
    assert chosen.inside.label != other.inside.label
    assert chosen.project.startswith("lab-")


def test_the_composition_knows_every_variable(chosen: Settings) -> None:
    text = COMPOSE_FILE.read_text()
    told = chosen.environment()
    assert all("${" + name in text for name in told if name != "DOCKER_HOST")
    assert told["DOCKER_SOCKET"] == "/var/run/docker.sock", "an engine of another kernel has a socket of its own there"
    assert told["MINIK_NETWORK"] == "192.168.233"
    assert yaml.safe_load(text)["services"]["apiserver"]["environment"]["MINIK_HOME"].startswith("/var/lib/minik/")


def test_ports_that_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert module._free_port(port, else_any=True) != port
        with pytest.raises(OSError):
            module._free_port(port)


@pytest.mark.parametrize(
    ("asked", "what"), [({"nodes": 51}, "50 nodes"), ({"ip_family": "dual"}, "IPv6"), ({"audit_log": "/x"}, "audit")]
)
def test_what_it_cannot_be(asked: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        check_possible(ClusterConfig(**asked))  # type: ignore[arg-type]
