"""A connection to a pod's own loopback, made inside its network namespace, whichever runtime made that."""

from __future__ import annotations

import asyncio
import os
import socket

from minikube_py.linux.namespaces import in_netns

_SECONDS = 5.0


async def connect(netns_path: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to 127.0.0.1:port, then [::1]:port, in the namespace ("" is our own). Raises OSError."""
    channel = await asyncio.to_thread(_connect, netns_path, port)
    return await asyncio.open_connection(sock=channel)


def _connect(netns_path: str, port: int) -> socket.socket:
    if not netns_path:
        channel = _dial(port)
    else:
        netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            channel = in_netns(netns, lambda: _dial(port))
        finally:
            os.close(netns)
    channel.setblocking(False)
    return channel


def _dial(port: int) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), timeout=_SECONDS)
