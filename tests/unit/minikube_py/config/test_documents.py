"""Documents tell a part what the supervisor hands over in memory, and are strict about names, types and ranges."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.documents import document_of, read_document
from minikube_py.config.parts import AgentConfig, ApiAccess, APIServerConfig, KeyPair, Network

PAIR = KeyPair(certificate=Path("/a.crt"), key=Path("/a.key"))
AGENT = AgentConfig(
    node_name="n",
    node_ips=("10.0.0.1",),
    pod_cidrs=("10.244.0.0/24",),
    api=ApiAccess(server="https://a:1", ca=Path("/ca"), client=PAIR),
    serving=PAIR,
    client_ca=Path("/ca"),
    state_dir=Path("/state"),
    image_dir=Path("/images"),
    labels={"a": "b"},
    network=Network(node_port_range=(1, 2)),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.json"
    path.write_bytes(document_of(AGENT))
    assert read_document(AgentConfig, path) == AGENT


def test_a_cluster_is_read_with_the_usual_ranges_of_its_family(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    path.write_text('{"ip_family": "ipv6", "nodes": 3}')
    assert read_document(ClusterConfig, path) == ClusterConfig(ip_family="ipv6", nodes=3)
    path.write_bytes(document_of(ClusterConfig(ip_family="dual")))
    assert read_document(ClusterConfig, path) == ClusterConfig(ip_family="dual")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_nmae": "n"}, "node_nmae"),
        ({"node_name": None}, "node_name"),
        ({"runtime": "rocket"}, "runtime"),
        ({"api": {"server": "https://a:1", "ca": "/ca", "sever": "b"}}, "sever"),
        ({"network": {"node_port_range": [1]}}, "node_port_range"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(json.loads(document_of(AGENT)) | change))
    with pytest.raises(ValueError, match=message):
        read_document(AgentConfig, path)


def test_a_document_that_lacks_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "apiserver.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="client_ca"):
        read_document(APIServerConfig, path)


def test_ranges_hold_for_documents_too(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    path.write_text('{"nodes": 201}')
    with pytest.raises(ValueError, match="1 to 200"):
        read_document(ClusterConfig, path)


def test_a_start_imports_no_validation_library() -> None:
    program = "import minikube_py.cli.up, apiserver.app, agent.app, minikube_py.cluster.controlplane, sys; " \
              "sys.exit('pydantic' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
