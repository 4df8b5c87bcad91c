"""Listening sockets and TLS of the API server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from minikube_py.config.parts import APIServerConfig

#: Clients wait here while the server starts or is busy; the kernel caps it at net.core.somaxconn.
BACKLOG = 4096


def tls_context(config: APIServerConfig) -> ssl.SSLContext:
    """Server TLS that asks for a client certificate and verifies one that is given. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.serving.certificate, config.serving.key)
    context.load_verify_locations(config.client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # client-go and the Python clients never resume: a tenth of a handshake for nothing
    return context


def agent_tls_context(config: APIServerConfig) -> ssl.SSLContext | None:
    """Our side of TLS towards the agents, whose certificates the cluster's CA signs. None where we have no identity."""
    if config.kubelet_client is None:
        return None
    context = ssl.create_default_context(cafile=str(config.client_ca))
    context.load_cert_chain(config.kubelet_client.certificate, config.kubelet_client.key)
    return context


def listening_sockets(config: APIServerConfig) -> Iterator[socket.socket]:
    """The inherited sockets, or else those of ``listen``. Raises OSError."""
    for fd in config.listen_fds:
        inherited = socket.socket(fileno=fd)
        inherited.setblocking(False)
        yield inherited
    if config.listen_fds:
        return
    for address in config.listen:
        yield _listen(address)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL under which a socket answers."""
    host, port, *_ = listener.getsockname()
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
