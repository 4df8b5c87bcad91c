"""Binding the addresses of Services in the node's network."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from minikube_py.dataplane.model import Frontend
from minikube_py.dataplane.userspace import filters

_BACKLOG = 4096
_IP_FREEBIND = 15
_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75
_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def bind(frontend: Frontend, networks: Sequence[str] | None, *, foreign: bool = False) -> socket.socket:
    """A non-blocking socket bound to ``frontend`` that takes packets from ``networks`` only (None: from everywhere).

    ``foreign`` says that the address is not this node's, so that answers from it need a transparent socket.
    What clients' sockets inherit from a listening one is set here once. Raises OSError; EPROTONOSUPPORT for a protocol
    that this plane cannot relay.
    """
    kind = _KINDS.get(frontend.protocol)
    if kind is None:
        raise OSError(93, f"the userspace proxy does not relay {frontend.protocol}")
    sock = socket.socket(socket.AF_INET6 if ":" in frontend.ip else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        _prepare(sock, networks)
        if foreign:
            _answer_from_anywhere(sock)
        sock.bind((frontend.ip, frontend.port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _prepare(sock: socket.socket, networks: Sequence[str] | None) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    tune(sock)
    filters.attach(sock, networks)


def _answer_from_anywhere(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)


def tune(sock: socket.socket) -> None:
    """Options that accepted connections inherit; for sockets made elsewhere too."""
    if sock.type & socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
