"""A whole agent with the simulated runtime beside a real API server: registration, and its endpoint over real TLS."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from agent.app import Agent
from agent.runtime.protocol import ContainerStatus, SandboxStatus
from agent.runtime.simulated import ExecResult, SimulatedRuntime
from minikube_py.aio.clock import SystemClock
from minikube_py.api.resources import LEASES, NAMESPACES, NODES, PODS, SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.config.parts import AgentConfig
from tests.integration.agent.test_pods import ensure, eventually
from tests.support.apiserver import RunningAPI, client_context, running_apiserver
from tests.support.podnode import NODE, phase, pod_manifest


@dataclass
class Running:
    api: RunningAPI
    client: Client
    agent: Agent
    session: aiohttp.ClientSession
    url: str

    @property
    def runtime(self) -> SimulatedRuntime:
        assert isinstance(self.agent.runtime, SimulatedRuntime)
        return self.agent.runtime

    async def pod(self, **spec: Any) -> dict[str, Any]:
        await self.client.create(PODS, pod_manifest(spec), "default")
        async with asyncio.timeout(60):
            while True:
                pod = await self.client.get(PODS, "web", "default")
                if phase(pod) == "Running":
                    return pod
                await asyncio.sleep(0.005)

    async def log_file(self, pod: dict[str, Any]) -> Path:
        path = self.agent.pods.log_file(pod, "app", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def agent_config(api: RunningAPI, folder: Path) -> AgentConfig:
    return AgentConfig(
        node_name=NODE,
        node_ips=("127.0.0.1",),
        pod_cidrs=("10.244.7.0/24",),
        api=api.access_of(f"system:node:{NODE}", "system:nodes"),
        serving=api.authority.issue(f"system:node:{NODE}", server=True),
        client_ca=api.authority.pair.certificate,
        state_dir=folder / "node",
        kubelet_port=0,
        runtime="simulated",
        image_dir=folder / "images",
        taints=({"key": "k", "value": "v", "effect": "NoSchedule"},),
    )


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    open_api = running_apiserver(tmp_path, authorization_mode="AlwaysAllow")
    async with open_api as api, Client.from_access(api.access) as client:
        for name in ("default", "kube-node-lease"):
            metadata = {"name": name}
            await ensure(client, NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = {"name": "default", "namespace": "default"}
        await ensure(client, SERVICEACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        agent = Agent(agent_config(api, tmp_path), clock=SystemClock())
        await agent.start()
        try:
            async with aiohttp.ClientSession(connector=_connector(api, "kubelet-client", "system:masters")) as session:
                host, port = agent.server.addresses[0]
                yield Running(api, client, agent, session, f"https://{host}:{port}")
        finally:
            await agent.stop()


def _connector(api: RunningAPI, user: str, *groups: str) -> aiohttp.TCPConnector:
    context = client_context(api.access_of(user, *groups)) if user else _without_certificate(api)
    return aiohttp.TCPConnector(ssl=context)


def _without_certificate(api: RunningAPI) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(api.authority.pair.certificate))


async def test_the_node_registers_and_registers_again_when_its_objects_are_gone(running: Running) -> None:
    await eventually(lambda: running.agent.node.node is not None)
    node = await running.client.get(NODES, NODE)
    assert node["spec"]["podCIDR"] == "10.244.7.0/24"
    assert node["spec"]["taints"][0]["key"] == "k"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.37.0"
    ready = {one["type"]: one["status"] for one in node["status"]["conditions"]}
    assert (ready["Ready"], ready["MemoryPressure"], ready["PIDPressure"]) == ("True", "False", "False")
    lease = await running.client.get(LEASES, NODE, "kube-node-lease")
    assert lease["spec"]["holderIdentity"] == NODE
    advertised = {"status": {"capacity": {"example.com/dongle": "4"}}}
    await running.client.patch(NODES, NODE, advertised, subresource="status")
    running.agent.node.report_soon()
    await eventually(lambda: "example.com/dongle" in (running.agent.node.node or node)["status"]["allocatable"])
    await running.client.delete(NODES, NODE)
    running.agent.node.report_soon()
    await eventually(lambda: (running.agent.node.node or node)["metadata"]["uid"] != node["metadata"]["uid"])
    async with asyncio.timeout(60):
        while _owner(lease) != (running.agent.node.node or node)["metadata"]["uid"]:
            await asyncio.sleep(0.01)
            lease = await running.client.get(LEASES, NODE, "kube-node-lease")


def _owner(lease: Object) -> str:
    return str((lease["metadata"].get("ownerReferences") or [{}])[0].get("uid"))


async def test_only_the_clusters_administrators_are_let_in(running: Running) -> None:
    for user, groups, status in (("", (), 401), ("jane", ("developers",), 403), ("root", ("system:masters",), 200)):
        connector = _connector(running.api, user, *groups)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(f"{running.url}/pods") as answer:
            assert answer.status == status


async def test_logs_are_read_and_followed_to_the_end_of_the_container(running: Running) -> None:
    pod = await running.pod(restartPolicy="Never")
    path = await running.log_file(pod)
    path.write_bytes(b"2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:01Z stderr F two\n")
    url = f"{running.url}/containerLogs/default/web/app"
    async with running.session.get(url, params={"tailLines": "1", "timestamps": "true"}) as answer:
        assert await answer.text() == "2026-01-01T00:00:01Z two\n"
    async with running.session.get(url, params={"follow": "true"}) as answer:
        assert await answer.content.readline() == b"one\n"
        assert await answer.content.readline() == b"two\n"
        with path.open("ab") as out:
            out.write(b"2026-01-01T00:00:02Z stdout F three\n")
        assert await answer.content.readline() == b"three\n"
        (status,) = await running.runtime.list_containers()
        running.runtime.exit(status.id)
        assert await answer.content.read() == b""


async def test_the_nodes_log_files_can_be_leafed_through(running: Running) -> None:
    path = await running.log_file(await running.pod())
    path.write_bytes(b"2026-01-01T00:00:00Z stdout F one\n")
    folder = path.parent.parent.name
    for place, text in (("", 'href="pods/"'), ("pods/", folder), (f"pods/{folder}/app/0.log", "stdout F one")):
        async with running.session.get(f"{running.url}/logs/{place}") as answer:
            assert answer.status == 200
            assert text in await answer.text()
    async with running.session.get(f"{running.url}/logs/pods/%2e%2e/%2e%2e/node.json") as answer:
        assert answer.status in (403, 404)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("containerLogs/default/nobody/app", 404, "pod does not exist"),
        ("containerLogs/default/web/nobody", 404, 'container "nobody" not found in pod "web"'),
        (
            "containerLogs/default/web/app?previous=true",
            400,
            'previous terminated container "app" in pod "web" not found',
        ),
        ("containerLogs/default/web/app?tailLines=x", 400, "invalid literal"),
        ("exec/default/web/app?command=x&output=1", 400, "unable to upgrade"),
        ("exec/default/web/app?output=1", 400, "you must specify a command"),
        ("exec/default/web/nobody?command=x", 404, 'container not found ("nobody")'),
        ("portForward/default/web", 400, "unable to upgrade"),
        ("debug/nothing", 404, "tables:"),
        ("healthz", 200, "ok"),
    ],
)
async def test_refusals_say_what_is_wrong(running: Running, path: str, status: int, text: str) -> None:
    await running.pod()
    async with running.session.get(f"{running.url}/{path}") as answer:
        assert answer.status == status
        assert text in await answer.text()


async def test_exec_carries_input_output_and_the_exit_code(running: Running) -> None:
    def on_exec(_: ContainerStatus, command: tuple[str, ...], stdin: bytes) -> ExecResult:
        return ExecResult(3, stdout=" ".join(command).encode() + stdin, stderr=b"careful")

    running.runtime.on_exec = on_exec
    await running.pod()
    url = f"{running.url}/exec/default/web/app?command=cat&command=-n&input=1&output=1&error=1"
    async with running.session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b"\x00hello")
        await socket.send_bytes(b"\xff\x00")
        received: dict[int, bytes] = {}
        async for message in socket:
            received[message.data[0]] = received.get(message.data[0], b"") + message.data[1:]
    assert received[1] == b"cat -nhello"
    assert received[2] == b"careful"
    assert orjson.loads(received[3])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


@pytest.mark.parametrize(
    ("protocol", "failure"),
    [("v4.base64.channel.k8s.io", b'"reason":"NonZeroExitCode"'), ("channel.k8s.io", b"exit status 3"),
     ("base64.channel.k8s.io", b"exit status 3")],
)  # fmt: skip
async def test_exec_over_the_older_protocols(running: Running, protocol: str, failure: bytes) -> None:
    running.runtime.on_exec = lambda _status, _command, _stdin: ExecResult(3, stdout=b"hi")
    await running.pod()
    received: dict[int, bytes] = {}
    url = f"{running.url}/exec/default/web/app?command=cat&output=1"
    async with asyncio.timeout(60), running.session.ws_connect(url, protocols=(protocol,)) as socket:
        assert socket.protocol == protocol
        async for message in socket:
            data = message.data
            coded = "base64" in protocol
            channel, text = (int(data[0]), base64.b64decode(data[1:])) if coded else (data[0], data[1:])
            received[channel] = received.get(channel, b"") + text
    assert received[1] == b"hi"
    assert failure in received[3]


async def test_a_client_that_leaves_ends_its_command(running: Running) -> None:
    await running.pod()
    before = len(asyncio.all_tasks())
    url = f"{running.url}/exec/default/web/app?command=sleep&input=1&output=1"
    for _ in range(5):
        socket = await running.session.ws_connect(url, protocols=("v4.channel.k8s.io",))
        await socket.close()
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_port_forward_over_plain_channels(running: Running) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"you said " + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]

    async def dial(_: SandboxStatus, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port != 80:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection("127.0.0.1", target)

    running.runtime.on_port = dial
    await running.pod()
    async with running.session.ws_connect(f"{running.url}/portForward/default/web?port=80&port=81") as socket:
        received: dict[int, bytes] = {}
        await socket.send_bytes(b"\x00hi")
        async for message in socket:
            received[message.data[0]] = received.get(message.data[0], b"") + message.data[1:]
    assert received[0] == (80).to_bytes(2, "little") + b"you said hi"
    assert received[3][2:] == b"error forwarding port 81 to pod web: Connection refused"
    server.close()
    await server.wait_closed()


async def test_pods_stats_and_metrics_are_served(running: Running) -> None:
    await running.pod()
    for path, text in (
        ("pods", '"PodList"'),
        ("stats/summary", '"podRef"'),
        ("metrics", "container_memory"),
        ("images", "images"),
    ):
        async with running.session.get(f"{running.url}/{path}") as answer:
            assert answer.status == 200
            assert text in await answer.text()
    async with running.session.post(f"{running.url}/images/load", data=b"x") as answer:
        assert answer.status == 501
