"""Messages between an agent and its machine: JSON and file descriptors over a SOCK_SEQPACKET socket.

A message that does not fit into one packet travels in a memfd, whose descriptor is then the first one attached.
Standard library only: the machine imports this.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

#: What fits into a packet under the smallest usual send buffer.
_PACKET = 64 * 1024
_MOST_DESCRIPTORS = 8
_ASIDE = b"memfd"


class Disconnected(ConnectionError):
    """The other end is gone, or speaks something else."""


def send(channel: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Sends one message; ``fds`` stay open here. Raises OSError (BlockingIOError on a full non-blocking socket)."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) <= _PACKET:
        socket.send_fds(channel, [data], list(fds))
        return
    aside = os.memfd_create("minik-message", os.MFD_CLOEXEC)
    try:
        with open(aside, "wb", closefd=False) as file:
            file.write(data)
        socket.send_fds(channel, [_ASIDE], [aside, *fds])
    finally:
        os.close(aside)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message and its descriptors (close-on-exec, the caller's). Raises Disconnected, or BlockingIOError."""
    data, fds = receive_packet(channel, _PACKET + 1, _MOST_DESCRIPTORS)
    try:
        if not data:
            raise Disconnected("the other end closed the connection")
        if data == _ASIDE and fds:
            data = _read_aside(fds.pop(0))
        message = json.loads(data)
        if not isinstance(message, dict):
            raise Disconnected("the other end sent no JSON object")
    except ValueError as error:
        close_all(fds)
        raise Disconnected(f"the other end sent no JSON: {error}") from error
    except BaseException:
        close_all(fds)
        raise
    return message, fds


def receive_packet(channel: socket.socket, size: int, descriptors: int) -> tuple[bytes, list[int]]:
    """One packet and its descriptors, close-on-exec (``socket.recv_fds`` of Python 3.11 forgets its flags)."""
    received = array.array("i")
    room = socket.CMSG_SPACE(descriptors * received.itemsize)
    data, ancillary, _, _ = channel.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            received.frombytes(content[: len(content) - len(content) % received.itemsize])
    return data, list(received)


def close_all(fds: Sequence[int]) -> None:
    """Closes descriptors, also those that are closed already."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _read_aside(fd: int) -> bytes:
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()
