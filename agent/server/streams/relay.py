"""Copies bytes between a port in a pod and a client's data channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_CHUNK = 64 * 1024

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[int], Awaitable[Connection]]


def dial_error(pod: str, port: int, error: BaseException) -> str:
    """What a client is told of a port that cannot be reached."""
    reason = getattr(error, "strerror", None) or str(error)
    return f"error forwarding port {port} to pod {pod}: {reason}"


async def copy_out(reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    """From the pod to the client until the pod has no more to say."""
    try:
        while data := await reader.read(_CHUNK):
            await send(data)
    except (ConnectionError, TimeoutError):
        pass  # the pod broke off: the client sees the end of the stream


async def write_in(writer: asyncio.StreamWriter, data: bytes) -> bool:
    """From the client to the pod. False: the pod does not read any more."""
    try:
        writer.write(data)
        await writer.drain()
    except (ConnectionError, RuntimeError):
        return False
    return True


def half_close(writer: asyncio.StreamWriter) -> None:
    """The client has no more to say; the pod may still answer."""
    try:
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):
        pass
