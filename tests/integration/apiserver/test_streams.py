"""Streams to an agent, with a scripted agent at the other end; watchers that do not read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from minikube_py.api.errors import NotFound
from minikube_py.client.access import access_from_config
from minikube_py.client.channels import Command, execute
from tests.integration.apiserver.conftest import HTTP, Server
from tests.support.apiserver import client_context

DEFAULT = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"
EXEC = f"{DEFAULT}/pods/p/exec?command=cat&stdin=1&stdout=1"
UPGRADE = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"


@dataclass
class Agent:
    """Answers one connection at a time: upgrades exec and echoes, refuses attach, writes a log."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        try:
            if head.startswith((b"GET /exec", b"POST /exec")):
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            elif b"/containerLogs/" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nline\n\r\n")
                if b"follow=true" in head:
                    await reader.read(1)
                writer.write(b"0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such")
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
async def agent(server: Server) -> AsyncIterator[Agent]:
    found = Agent()
    pair = server.running.authority.issue("agent", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(server.running.authority.pair.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=context)
    found.port = listener.sockets[0].getsockname()[1]
    await _register(server.admin, found.port)
    yield found
    listener.close()


async def _register(http: HTTP, port: int) -> None:
    await http("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    reply = await http("PATCH", "/api/v1/nodes/n1/status", {"status": status}, Content_Type=MERGE)
    assert reply.status == 200, reply.body
    spec = {"containers": [{"name": "c", "image": "x"}], "nodeName": "n1"}
    assert (await http("POST", f"{DEFAULT}/pods", {"metadata": {"name": "p"}, "spec": spec})).status == 201


async def dial(server: Server, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    host, _, port = server.running.url.removeprefix("https://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=client_context(server.running.access))
    writer.write(f"{head}\r\n".encode())
    return reader, writer, await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upgrade_is_carried_byte_for_byte(server: Server, agent: Agent, method: str) -> None:
    reader, writer, answer = await dial(
        server, f"{method} {EXEC} HTTP/1.1\r\nHost: x\r\n{UPGRADE}Content-Length: 0\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert agent.heads[0].startswith(f"{method} /exec/default/p/c?input=1&output=1&command=cat HTTP/1.1".encode())
    assert b"v4.channel.k8s.io" in agent.heads[0]
    sent = bytes(range(256)) * 8192  # 2 MiB: more than any buffer on the way
    writer.write(sent)
    async with asyncio.timeout(20):
        assert await reader.readexactly(len(sent)) == sent
    writer.close()
    async with asyncio.timeout(60):
        await agent.ended.wait()


async def test_an_agents_refusal_is_passed_on(server: Server, agent: Agent) -> None:
    path = EXEC.replace("exec", "attach")
    _, writer, answer = await dial(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}")
    assert answer.startswith(b"HTTP/1.1 404 ")
    writer.close()


async def test_no_upgrade_no_stream(server: Server, agent: Agent) -> None:
    reply = await server.admin("GET", EXEC)
    assert (reply.status, reply.body["message"]) == (400, "Upgrade request required")
    assert agent.heads == []


async def test_logs_are_streamed_and_end_with_their_reader(server: Server, agent: Agent) -> None:
    whole = await server.admin("GET", f"{DEFAULT}/pods/p/log?tailLines=3")
    assert (whole.status, whole.body) == (200, "line\n")
    agent.ended.clear()
    response = await server.admin.session.get(f"{server.admin.url}{DEFAULT}/pods/p/log?follow=true")
    assert await response.content.readline() == b"line\n"
    response.close()
    async with asyncio.timeout(60):
        await agent.ended.wait()


@pytest.mark.parametrize(("protocol", "line"), [("binary.k8s.io", b"line\n"), ("base64.binary.k8s.io", "bGluZQo=")])
async def test_a_log_comes_as_messages_to_those_who_ask_so(
    server: Server, agent: Agent, protocol: str, line: bytes | str
) -> None:
    path = f"{server.admin.url}{DEFAULT}/pods/p/log"
    async with asyncio.timeout(60), server.admin.session.ws_connect(path, protocols=(protocol,)) as socket:
        assert socket.protocol == protocol
        assert [message.data async for message in socket] == [line[:0], line]


async def test_nobody_at_the_other_end(server: Server) -> None:
    await _register(server.admin, 1)
    reply = await server.admin("GET", f"{DEFAULT}/pods/p/log")
    assert (reply.status, reply.body["reason"]) == (503, "ServiceUnavailable")


async def test_a_stopping_server_cuts_streams_at_once(server: Server, agent: Agent) -> None:
    reader, writer, _ = await dial(server, f"GET {EXEC} HTTP/1.1\r\nHost: x\r\n{UPGRADE}")
    async with asyncio.timeout(30):
        await server.running.server.stop()
        try:
            assert await reader.read() == b""
        except (ConnectionError, ssl.SSLError):
            pass
    writer.close()


async def test_a_watcher_that_does_not_read_is_cut_off_and_others_go_on(server: Server) -> None:
    http, path = server.admin, f"{DEFAULT}/configmaps"
    reader, writer, _ = await dial(server, f"GET {path}?watch=1 HTTP/1.1\r\nHost: x\r\n")
    writer.transport.pause_reading()
    collection = next(each for each in server.running.server._store if each.resource.plural == "configmaps")
    assert len(collection.feeds) == 1
    await http("POST", path, {"metadata": {"name": "big"}})
    for number in range(60):
        body = {"data": {"k": str(number) * 500_000}}
        assert (await http("PATCH", f"{path}/big", body, Content_Type=MERGE)).status == 200
        if not len(collection.feeds):
            break
    assert len(collection.feeds) == 0, "16 MiB behind is too far"
    assert (await http("GET", "/healthz")).body == "ok"
    del reader
    writer.transport.abort()


async def test_a_command_that_is_refused_tells_why(server: Server) -> None:
    with pytest.raises(NotFound, match='pods "nobody" not found'):
        access = access_from_config(server.running.access)
        await execute(access, Command("default", "nobody", ["true"]), stdout=bytes, stderr=bytes)
