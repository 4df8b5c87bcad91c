"""Messages between agent and machine, and what the machine makes of nonsense."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from agent.runtime.process import wire
from agent.runtime.process.model import BadRequest, ContainerConfig, ExecConfig, SandboxConfig, from_json


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("size", [0, 1000, 100_000, 3_000_000])
def test_messages_of_any_size(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    wire.send(pair[0], {"op": "x", "text": "é" * size})
    message, fds = wire.receive(pair[1])
    assert message == {"op": "x", "text": "é" * size}
    assert fds == []


@pytest.mark.parametrize("size", [1, 100_000])
def test_descriptors_travel_along(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    reader, writer = os.pipe()
    wire.send(pair[0], {"text": "x" * size}, [reader])
    os.close(reader)
    _, (received,) = wire.receive(pair[1])
    os.write(writer, b"hello")
    assert os.read(received, 5) == b"hello"
    assert not os.get_inheritable(received)
    wire.close_all([writer, received, received])


@pytest.mark.parametrize("data", [b"nonsense", b"[]", b"7", b"\xff\xfe", b"memfd", b"{"])
def test_nonsense_is_a_disconnection(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    reader, writer = os.pipe()
    socket.send_fds(pair[0], [data], [writer])
    os.close(writer)
    with pytest.raises(wire.Disconnected):
        wire.receive(pair[1])
    assert os.read(reader, 1) == b""  # the descriptor that came along was closed
    os.close(reader)


def test_a_closed_peer(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    with pytest.raises(wire.Disconnected):
        wire.receive(pair[1])


CONTAINER: dict[str, Any] = {
    "id": "c", "sandbox_id": "s", "name": "app", "attempt": 0, "image": "i", "image_id": "x", "created_at": "",
}  # fmt: skip


def test_nested_parts_are_read() -> None:
    config = from_json(
        ContainerConfig,
        {**CONTAINER, "user": {"uid": 7}, "mounts": [{"source": "/a", "target": "/b"}], "limits": None or {},
         "echo": {"ports": [["TCP", 80]], "identity": {}}},
    )  # fmt: skip
    assert config.user.uid == 7
    assert config.mounts[0].target == "/b"
    assert config.echo is not None
    assert config.echo.ports == [["TCP", 80]]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (SandboxConfig, None),
        (SandboxConfig, []),
        (SandboxConfig, {}),
        (SandboxConfig, {"id": "x", "colour": "red"}),
        (ContainerConfig, {**CONTAINER, "user": {"shoe_size": 42}}),
        (ContainerConfig, {**CONTAINER, "mounts": [7]}),
        (ExecConfig, {"argv": []}),
    ],
)
def test_what_makes_no_sense_is_a_bad_request(kind: Any, data: Any) -> None:
    with pytest.raises(BadRequest):
        from_json(kind, data)
