"""Names of registries are looked up as the host does it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.images import dialing
from agent.images.dialing import HostDialer
from minikube_py.aio.clock import SystemClock
from minikube_py.hostnet.sockets import DirectSockets
from tests.support.fakedns import FakeNameServer


def _dialer(tmp_path: Path, *servers: int, hosts: str = "") -> HostDialer:
    (tmp_path / "resolv.conf").write_text("".join(f"nameserver 127.0.0.1:{port}\n" for port in servers))
    (tmp_path / "hosts").write_text(hosts)
    return HostDialer(
        sockets=DirectSockets(),
        resolv_conf=tmp_path / "resolv.conf",
        clock=SystemClock(),
        hosts=tmp_path / "hosts",
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        ("[::1]", ["::1"]),
        ("localhost", ["127.0.0.1"]),
        ("near.test", ["192.0.2.1"]),
        ("far.test", ["192.0.2.2", "192.0.2.3"]),
        ("alias.test", ["192.0.2.2"]),
    ],
)
async def test_addresses(tmp_path: Path, host: str, expected: list[str]) -> None:
    zone = ("far.test. A 192.0.2.2", "far.test. A 192.0.2.3", "alias.test. CNAME far.test.", "alias.test. A 192.0.2.2")
    async with FakeNameServer(*zone) as server:
        dialer = _dialer(tmp_path, server.port, hosts="192.0.2.1 near near.test # here\n")
        assert await dialer.resolve(host) == expected


async def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    async with FakeNameServer() as server:
        server.rcode = 3
        with pytest.raises(OSError, match=r"lookup none\.test: NXDOMAIN"):
            await _dialer(tmp_path, server.port).resolve("none.test")


async def test_the_next_server_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "_DNS_SECONDS", 0.1)
    async with FakeNameServer() as silent, FakeNameServer("far.test. A 192.0.2.2") as server:
        silent.silent = True
        assert await _dialer(tmp_path, silent.port, server.port).resolve("far.test") == ["192.0.2.2"]
        with pytest.raises(OSError, match=r"lookup far\.test"):
            await _dialer(tmp_path, silent.port).resolve("far.test")


async def test_connections(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        made = await _dialer(tmp_path).connect("localhost", port)
        assert made.getpeername() == ("127.0.0.1", port)
        made.close()
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}"):
        await _dialer(tmp_path).connect("localhost", port)
