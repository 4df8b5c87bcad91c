"""Reading the kernel's table of sockets."""

from __future__ import annotations

import pytest

from minikube_py.hostnet.holders import holders
from minikube_py.hostnet.protocol import Request

TABLE = [
    "   0: 0100007F:7537 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0",
    "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0",
    "   2: 0100007F:7538 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1001        0 113 1 0 100 0 0 10 0",
]
TABLE6 = [
    "   0: 00000000000000000000000001000000:7537 00000000000000000000000000000000:0000 0A 00000000:00000000 "
    "00:00000000 00000000  1002        0 111 1 0 100 0 0 10 0",
]


@pytest.mark.parametrize(
    ("table", "host", "port", "users"),
    [
        (TABLE, "127.0.0.1", 30007, [1000]),
        (TABLE, "127.0.0.2", 30007, []),
        (TABLE, "127.0.0.2", 8080, [0]),
        (TABLE, "127.0.0.1", 30008, []),
        (TABLE6, "::1", 30007, [1002]),
        (["nonsense"], "::1", 1, []),
    ],
)
def test_holders(table: list[str], host: str, port: int, users: list[int]) -> None:
    assert list(holders(table, Request("listen_tcp", host, port), stream=True)) == users
