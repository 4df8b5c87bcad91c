"""Making the sockets: the same few lines on the vendor's side and where a part owns its network itself."""

from __future__ import annotations

import ipaddress
import socket

from minikube_py.hostnet.protocol import Request

_BACKLOG = 4096


def make_socket(request: Request) -> socket.socket:
    """The non-blocking socket that ``request`` asks for, in the calling thread's network namespace. Raises OSError."""
    family = socket.AF_INET6 if ":" in request.host else socket.AF_INET
    ipaddress.ip_address(request.host.partition("%")[0])  # a name would block on a resolver
    stream = request.operation.endswith("tcp")
    made = socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        _prepare(made, request)
    except BaseException:
        made.close()
        raise
    return made


def _prepare(made: socket.socket, request: Request) -> None:
    address = (request.host, request.port)
    if request.operation in ("listen_tcp", "bind_udp"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        if request.operation == "listen_tcp":
            made.listen(_BACKLOG)
    else:
        try:
            made.connect(address)
        except BlockingIOError:
            pass  # a stream's connect goes on in the kernel


class DirectSockets:
    """HostSockets for a part that already runs in the host's network namespace."""

    async def listen_tcp(self, host: str, port: int) -> socket.socket:
        return make_socket(Request("listen_tcp", host, port))

    async def bind_udp(self, host: str, port: int) -> socket.socket:
        return make_socket(Request("bind_udp", host, port))

    async def connect_tcp(self, host: str, port: int) -> socket.socket:
        return make_socket(Request("connect_tcp", host, port))

    async def connect_udp(self, host: str, port: int) -> socket.socket:
        return make_socket(Request("connect_udp", host, port))
