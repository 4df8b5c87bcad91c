"""Counters for Prometheus on the port that the Service ``kube-dns`` names ``metrics``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping

from agent.dns.records import Rcode
from minikube_py.aio.tasks import TaskSet

METRICS_PORT = 9153
_SECONDS = 5.0

#: Samples of one metric: label values (already in braces, or "") and the number.
Samples = Mapping[str, float]


def exposition(metrics: Iterable[tuple[str, str, str, Samples]]) -> str:
    """The text format of Prometheus, from (name, kind, help, samples)."""
    lines = []
    for name, kind, text, samples in metrics:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {value:g}" for labels, value in samples.items()]
    return "\n".join(lines) + "\n"


def rcode_samples(counts: Mapping[int, int]) -> Samples:
    """Counts by response code."""
    return {f'{{rcode="{Rcode(code).name}"}}': float(count) for code, count in sorted(counts.items())}


class MetricsEndpoint:
    """Answers every GET on one listening socket, which it owns, with the current text."""

    def __init__(self, sock: socket.socket, *, text: Callable[[], str], tasks: TaskSet) -> None:
        self._socket = sock
        self._text = text
        self._tasks = tasks
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.spawn(self._serve(reader, writer), name="metrics")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                body = self._text().encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # no scraper, or a slow one
        finally:
            writer.close()
