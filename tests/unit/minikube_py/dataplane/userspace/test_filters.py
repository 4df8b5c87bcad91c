"""Socket filters that drop: run by the kernel, on the loopback."""

from __future__ import annotations

import socket
import struct

import pytest

from minikube_py.dataplane.userspace import filters


@pytest.mark.parametrize(
    ("networks", "client", "passes"),
    [
        (("127.0.0.0/8",), "127.0.0.1", True),
        (("127.0.0.2/32",), "127.0.0.1", False),
        (("10.0.0.0/8", "127.0.0.1/32"), "127.0.0.1", True),
        ((), "127.0.0.1", False),
        (("0.0.0.0/0",), "127.0.0.1", True),
        (("127.0.3.0/25",), "127.0.3.200", False),
        (("127.0.3.0/25",), "127.0.3.100", True),
        (None, "127.0.0.1", True),
    ],
)
def test_only_allowed_sources_are_heard(networks: tuple[str, ...] | None, client: str, passes: bool) -> None:
    with socket.socket() as server, socket.socket() as peer:
        filters.attach(server, networks)
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.05)
        peer.bind((client, 0))
        peer.setblocking(False)
        peer.connect_ex(server.getsockname())
        try:
            server.accept()[0].close()
            heard = True
        except TimeoutError:
            heard = False
        assert heard is passes


@pytest.mark.parametrize(
    ("network", "source", "passes"),
    [
        ("fd00::/64", "fd00::1", True),
        ("fd00::/64", "fd00:0:0:1::1", False),
        ("fd00::1:2:3:4/128", "fd00::1:2:3:4", True),
        ("fd00::1:2:3:4/128", "fd00::1:2:3:5", False),
        ("::/0", "2001:db8::1", True),
        ("10.0.0.0/8", "fd00::1", False),
    ],
)
def test_ipv6_programs(network: str, source: str, passes: bool) -> None:
    packet = bytes(8) + socket.inet_pton(socket.AF_INET6, source) + bytes(16)
    assert _run(filters.program([network], 6), packet) is passes


def _run(code: list[filters.Instruction], packet: bytes) -> bool:
    """An interpreter for the four instructions that programs are made of."""
    at, accumulator = 0, 0
    while True:
        operation, true, false, k = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("!I", packet, k - 0xFFF00000)
        elif operation == 0x54:
            accumulator &= k
        elif operation == 0x15:
            at += true if accumulator == k else false
        else:
            return k != 0
