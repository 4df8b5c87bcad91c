"""The vendor: makes sockets in the host's network namespace and hands them to parts that live elsewhere.

It runs inside the supervisor's own select loop (no threads, no asyncio: the supervisor forks): one descriptor to watch
and one function to call when it is readable.

With every published socket goes a *lease*, one end of a socket pair: it closes when the part closes the socket or
dies, and the port is free for another cluster again.
"""

from __future__ import annotations

import errno
import ipaddress
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from minikube_py.hostnet.holders import user_of_port
from minikube_py.hostnet.protocol import GRANT, LARGEST_PACKET, Request, encode_refusal
from minikube_py.hostnet.reservations import PortReservations
from minikube_py.hostnet.sockets import make_socket


def loopback_only(request: Request) -> bool:
    """The default policy: nothing is published beyond this machine; outgoing sockets may go anywhere."""
    return not request.publishes or ipaddress.ip_address(request.host).is_loopback


class SocketVendor:
    """Listens at ``path`` (mode 0600: whoever may open it may use the host's network).

    The owner watches ``fileno()`` for reading and then calls ``turn``, which never blocks.
    """

    def __init__(
        self, path: Path, *, reservations: PortReservations, allowed: Callable[[Request], bool] = loopback_only
    ) -> None:
        self._path = path
        self._reservations = reservations
        self._allowed = allowed
        self._selector = selectors.EpollSelector()
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
        self._watch(listener, self._accept)

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._selector.fileno()

    def turn(self) -> None:
        """Do what there is to do."""
        for key, _ in self._selector.select(0):
            key.data(key.fileobj)

    def close(self) -> None:
        """Stop vending. Sockets already handed out live on with their new owners."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._reservations.close()
        self._path.unlink(missing_ok=True)

    def _watch(self, file: socket.socket, callback: Callable[[socket.socket], None]) -> None:
        file.setblocking(False)
        self._selector.register(file, selectors.EVENT_READ, callback)

    def _forget(self, file: socket.socket) -> None:
        self._selector.unregister(file)
        file.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # it has gone again
        self._watch(connection, self._serve)

    def _serve(self, connection: socket.socket) -> None:
        try:
            packet = connection.recv(LARGEST_PACKET)
            if packet:
                self._answer(connection, packet)
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # the peer went away while we answered: the same as its end
        self._forget(connection)

    def _answer(self, connection: socket.socket, packet: bytes) -> None:
        try:
            request = Request.decode(packet)
            if not self._allowed(request):
                raise PermissionError(errno.EPERM, f"not publishing on {request.host}: only loopback is allowed")
            self._grant(connection, request)
        except ValueError as error:
            connection.send(encode_refusal(OSError(errno.EINVAL, str(error))))
        except ConnectionError:
            raise
        except OSError as error:
            connection.send(encode_refusal(error))

    def _grant(self, connection: socket.socket, request: Request) -> None:
        if not (request.publishes and request.port):
            with make_socket(request) as made:
                socket.send_fds(connection, [GRANT], [made.fileno()])
            return
        self._reservations.take(request.port_name)
        ours, theirs = socket.socketpair()
        self._watch(ours, lambda lease: self._released(lease, request))
        with theirs, _make(request) as made:  # closing ``theirs`` unsent ends the lease as well
            socket.send_fds(connection, [GRANT], [made.fileno(), theirs.fileno()])

    def _released(self, lease: socket.socket, request: Request) -> None:
        self._forget(lease)
        self._reservations.give_back(request.port_name)


def _make(request: Request) -> socket.socket:
    """The socket. Where another program has the port, the error says whose it is."""
    try:
        return make_socket(request)
    except OSError as error:
        user = user_of_port(request) if error.errno == errno.EADDRINUSE else ""
        if not user:
            raise
        raise OSError(errno.EADDRINUSE, f"the port is in use by another program of {user}") from None
