"""Sockets towards endpoints: plain ones, and transparent ones that carry the client's own address."""

from __future__ import annotations

import errno
import socket

from minikube_py.dataplane.model import Endpoint

_IP_TRANSPARENT = 19
_IPV6_TRANSPARENT = 75
_IP_BIND_ADDRESS_NO_PORT = 24
_IP_LOCAL_PORT_RANGE = 51
#: Ports for sockets that borrow a client's address: none that the client itself takes for its own connections to the
#: same endpoint (Linux gives those 32768 and up), and no node port. Linux 6.3; older kernels leave it to chance.
_BORROWED_PORTS = 29_999 << 16 | 10_000


class Connector:
    """Opens upstream sockets in the calling thread's network namespace.

    ``transparent`` says whether this node delivers the answers to foreign addresses back to their sockets
    (:mod:`minikube_py.dataplane.userspace.transparent`); without it every client is masqueraded.
    """

    def __init__(self, *, transparent: bool) -> None:
        self.transparent = transparent
        self._narrows_ports = True

    def stream(self, endpoint: Endpoint, source: str | None) -> socket.socket:
        """A TCP socket whose connect is under way, from ``source`` where given. Raises OSError."""
        sock = self._open(endpoint, socket.SOCK_STREAM, source)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(endpoint.address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, f"connect to {endpoint}")
        except BaseException:
            sock.close()
            raise
        return sock

    def datagram(self, endpoint: Endpoint, source: str | None) -> socket.socket:
        """A UDP socket that is connected to the endpoint. Raises OSError."""
        sock = self._open(endpoint, socket.SOCK_DGRAM, source)
        try:
            sock.connect(endpoint.address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _open(self, endpoint: Endpoint, kind: int, source: str | None) -> socket.socket:
        family = socket.AF_INET6 if ":" in endpoint.ip else socket.AF_INET
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        if source is None or not self.transparent:
            return sock
        try:
            self._take_address(sock, source)
        except BaseException:
            sock.close()
            raise
        return sock

    def _take_address(self, sock: socket.socket, source: str) -> None:
        """The port is chosen at connect, where the whole four-tuple is known: thousands of clients share it."""
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        if self._narrows_ports:
            self._narrow_ports(sock)
        sock.bind((source, 0))

    def _narrow_ports(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, _BORROWED_PORTS)
        except OSError:
            self._narrows_ports = False
