"""What the containers of a composition are told, and how a node finds its place."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from minikube_py.cluster import containers
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.health import HealthPort
from minikube_py.cluster.plan import CONTROLPLANE_HEALTH_PORT, ClusterPlan
from minikube_py.config.documents import read_document
from minikube_py.config.parts import AgentConfig, APIServerConfig, ControlPlaneConfig
from minikube_py.linux.namespaces import NetnsThread
from minikube_py.linux.netlink import Netlink

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterPlan]:
    monkeypatch.setenv("MINIK_HOME", str(tmp_path))
    monkeypatch.setattr(os, "chown", lambda *_: None)  # an ordinary user may run the tests
    monkeypatch.setattr(containers, "MOST_NODES", 3)
    found = containers.container_plan({"MINIK_CLUSTER": "my_lab", "MINIK_NETWORK": "192.168.99"})
    yield found
    shutil.rmtree(found.paths.sockets, ignore_errors=True)  # outside of a directory whose path is long


def test_the_environment_names_the_cluster(plan: ClusterPlan) -> None:
    assert (plan.name, plan.fabric_ip) == ("my-lab", "192.168.99.1")
    assert [(node.name, node.ip) for node in plan.nodes][:2] == [
        ("my-lab-1", "192.168.99.11"),
        ("my-lab-2", "192.168.99.12"),
    ]
    with pytest.raises(ValueError, match=r"192\.168\.x"):
        containers.container_plan({"MINIK_NETWORK": "192.168.x"})


def test_everybody_is_told_its_part(plan: ClusterPlan) -> None:
    containers.prepare(plan, api_port=7443)
    apiserver = read_document(APIServerConfig, containers.config_file(plan, "apiserver"))
    assert (apiserver.listen, apiserver.listen_fds) == (("0.0.0.0:6443",), ())
    cloud = read_document(ControlPlaneConfig, containers.config_file(plan, "cloud"))
    assert (cloud.parts, cloud.edge, cloud.host_sockets) == (("cloud",), True, None)
    agent = read_document(AgentConfig, containers.config_file(plan, "agent-my-lab-2"))
    assert (agent.node_ips, agent.runtime, agent.host_sockets) == (("192.168.99.12",), "docker", None)
    assert agent.serving.key.exists()
    assert agent.host_root == containers.MACHINE, "hostPath volumes are of the engine's machine"
    kubeconfig = yaml.safe_load(plan.paths.kubeconfig.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7443"
    assert stat.S_IMODE((plan.paths.pki / "ca.key").stat().st_mode) == 0o640


def test_a_restart_keeps_the_certificates(plan: ClusterPlan) -> None:
    containers.prepare(plan, api_port=7443)
    before = (plan.paths.pki / "ca.crt").read_bytes()
    (plan.paths.pki.with_suffix(".new")).mkdir()  # a container that was killed while it made others
    containers.prepare(plan, api_port=8443)
    assert (plan.paths.pki / "ca.crt").read_bytes() == before
    assert "8443" in plan.paths.kubeconfig.read_text()


def test_a_node_is_its_number(plan: ClusterPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert containers.own_node(plan, {"MINIK_NODE_NUMBER": "3"}).name == "my-lab-3"
    monkeypatch.setattr(containers, "container_labels", lambda *_: {"com.docker.compose.container-number": "2"})
    assert containers.own_node(plan, {}).ip == "192.168.99.12"
    with pytest.raises(NoEngine, match="room for 3 nodes"):
        containers.own_node(plan, {"MINIK_NODE_NUMBER": "4"})


@pytest.fixture
def place() -> Iterator[NetnsThread]:
    """A container's network: eth0 with an address of the engine's choice."""
    if os.geteuid() != 0:
        pytest.skip("needs root or a user namespace")
    with NetnsThread() as thread:

        def lay() -> None:
            with Netlink() as netlink:
                netlink.link_up("lo")
                netlink.link_add_bridge("eth0")
                netlink.addr_add("eth0", "192.168.99.130/24")

        thread.run(lay)
        yield thread


def test_the_ways_to_the_others(plan: ClusterPlan, place: NetnsThread) -> None:
    for _ in range(2):  # a container that starts again is in the same network
        place.run(lambda: containers.join_network(plan, plan.nodes[1]))

    def look() -> tuple[set[str], dict[str, str]]:
        with Netlink() as netlink:
            routes = {route.dst: route.via for route in netlink.routes() if route.via}
            return {address.cidr for address in netlink.addresses()}, routes

    addresses, routes = place.run(look)
    assert {"192.168.99.12/24", "192.168.99.130/24"} <= addresses
    assert routes == {"10.244.0.0/24": "192.168.99.11", "10.244.2.0/24": "192.168.99.13"}


async def test_the_health_port() -> None:
    port = HealthPort(0)
    await port.start()
    assert port._server is not None
    number = port._server.sockets[0].getsockname()[1]
    for request, answer in ((b"GET /healthz HTTP/1.1\r\n\r\n", b"200 OK"), (b"", b"")):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(request)
        writer.write_eof()
        assert answer in await reader.read()
        writer.close()
        await writer.wait_closed()
    await port.stop()


def test_the_composition_is_what_the_program_expects() -> None:
    told = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text())
    services = told["services"]
    assert set(services) == {"apiserver", "controlplane", "cloud", "agent"}
    assert not any(service.get("privileged") for service in services.values())
    assert all("healthcheck" in service and service["restart"] == "unless-stopped" for service in services.values())
    for name, port in (("controlplane", CONTROLPLANE_HEALTH_PORT), ("cloud", containers.CLOUD_HEALTH_PORT)):
        assert str(port) in services[name]["healthcheck"]["test"][-1]
    assert f"/:{containers.MACHINE}" in services["agent"]["volumes"]
    assert services["controlplane"]["user"] == f"{containers.NOBODY}:{containers.NOBODY}"
