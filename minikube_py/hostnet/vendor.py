"""The vendor: makes sockets in the host's network namespace and hands them to parts that live elsewhere.

It runs inside the supervisor's own select loop (no threads, no asyncio: the supervisor forks), so it is a set of
file descriptors to watch and two functions to call when one is readable.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path

from minikube_py.hostnet.protocol import GRANT, LARGEST_PACKET, Request, encode_refusal
from minikube_py.hostnet.reservations import PortReservations
from minikube_py.hostnet.sockets import make_socket


def loopback_only(request: Request) -> bool:
    """The default policy: nothing is published beyond this machine; outgoing sockets may go anywhere."""
    return request.operation.startswith("connect") or ipaddress.ip_address(request.host).is_loopback


class SocketVendor:
    """Listens at ``path`` (mode 0600: whoever may open it may use the host's network).

    The owner watches ``listener`` and every connection that ``accept`` returns, and calls ``serve`` when one is
    readable; ``serve`` returns False when that connection has ended.
    """

    def __init__(
        self, path: Path, *, reservations: PortReservations, allowed: Callable[[Request], bool] = loopback_only
    ) -> None:
        self._path = path
        self._reservations = reservations
        self._allowed = allowed
        self._connections: dict[int, socket.socket] = {}
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen(16)
        self.listener.setblocking(False)

    def accept(self) -> socket.socket | None:
        """The connection that was waiting, or None where it has gone again."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return None
        connection.setblocking(False)
        self._connections[connection.fileno()] = connection
        return connection

    def serve(self, connection: socket.socket) -> bool:
        """Answer one request. False: the peer is gone and ``connection`` is closed."""
        try:
            packet = connection.recv(LARGEST_PACKET)
            if packet:
                self._answer(connection, packet)
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass  # the peer went away while we answered: the same as its end
        self._connections.pop(connection.fileno(), None)
        connection.close()
        return False

    def _answer(self, connection: socket.socket, packet: bytes) -> None:
        try:
            request = Request.decode(packet)
            if not self._allowed(request):
                raise PermissionError(errno.EPERM, f"not publishing on {request.host}: only loopback is allowed")
            made = self._make(request)
        except ValueError as error:
            connection.send(encode_refusal(OSError(errno.EINVAL, str(error))))
        except OSError as error:
            connection.send(encode_refusal(error))
        else:
            with made:
                socket.send_fds(connection, [GRANT], [made.fileno()])

    def _make(self, request: Request) -> socket.socket:
        if request.port and request.operation in ("listen_tcp", "bind_udp"):
            self._reservations.take(request.operation[-3:], request.host, request.port)
        return make_socket(request)

    def close(self) -> None:
        """Stop vending. Sockets already handed out live on with their new owners."""
        self._reservations.close()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self.listener.close()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
