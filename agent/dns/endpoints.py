"""The sockets of the name server: datagrams in batches, and streams with limits on how long and how many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent.dns.batches import LARGEST, DatagramBatch
from agent.dns.responder import Responder
from agent.dns.wire import Query
from minikube_py.aio.tasks import TaskSet

T = TypeVar("T")

_MOST_PENDING = 2_000
_MOST_CONNECTIONS = 128
_IDLE_SECONDS = 10.0


class DatagramEndpoint:
    """Answers datagrams on one bound, non-blocking socket, which it owns."""

    def __init__(self, sock: socket.socket, *, responder: Responder, tasks: TaskSet) -> None:
        self._socket = sock
        self._responder = responder
        self._tasks = tasks
        self._pending = 0
        self._batch = DatagramBatch(sock)
        #: Packets taken in.
        self.packets = 0

    def start(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Stop and close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        batch = self._batch
        try:
            count = batch.receive()
        except OSError:
            return  # an error about an earlier answer: its asker is gone
        self._responder.tick()
        ready, asked, answers = self._responder.ready, batch.asked, batch.answers
        run = 0
        for index in range(count):
            start, size = index * LARGEST, batch.length(index)
            answer = ready.get(bytes(asked[start + 2 : start + size]))
            if answer is None:
                answer = self._work_out(index, bytes(asked[start : start + size]))
                if answer is None:
                    batch.send(run, index)
                    run = index + 1
                    continue
            elif not isinstance(answer, bytes):
                answer = next(answer)
            end = start + 2 + len(answer)
            answers[start : start + 2] = asked[start : start + 2]
            answers[start + 2 : end] = answer
            batch.put(index, end - start)
        batch.send(run, count)
        self.packets += count

    def _work_out(self, index: int, data: bytes) -> bytes | None:
        """The answer (without its id), None where there is to be none or it comes later."""
        answer = self._responder.respond(data)
        if not isinstance(answer, Query):
            return answer
        if self._pending < _MOST_PENDING:
            self._pending += 1
            asker = self._batch.sender(index)
            self._tasks.spawn(self._resolve(answer, data[:2], asker), name="question")
        return None

    async def _resolve(self, query: Query, identifier: bytes, asker: tuple[str, int]) -> None:
        try:
            answer = await self._responder.resolve(query)
            self._socket.sendto(identifier + answer, asker)
        except OSError:
            pass  # the asker is gone or slow; it will ask again
        finally:
            self._pending -= 1


class StreamEndpoint:
    """Answers questions over TCP on one listening socket, which it owns (RFC 7766: many per connection)."""

    def __init__(self, sock: socket.socket, *, responder: Responder, tasks: TaskSet) -> None:
        self._socket = sock
        self._responder = responder
        self._tasks = tasks
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    def close(self) -> None:
        """Stop listening. Connections end with the tasks that serve them."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= _MOST_CONNECTIONS:
            writer.close()
            return
        self._connections += 1
        self._tasks.spawn(self._serve(reader, writer), name="connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (packet := await _within(_IDLE_SECONDS, lambda: _read_packet(reader))) is not None:
                answer = self._responder.respond(packet, tcp=True)
                if isinstance(answer, Query):
                    answer = await self._responder.resolve(answer, tcp=True)
                if answer is None:
                    return
                writer.write((len(answer) + 2).to_bytes(2, "big") + packet[:2] + answer)
                await _within(_IDLE_SECONDS, writer.drain)
        except OSError:
            pass  # gone, or idle for too long
        finally:
            self._connections -= 1
            writer.close()


async def _read_packet(reader: asyncio.StreamReader) -> bytes | None:
    """The next question; None at the end of the stream."""
    try:
        size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None


async def _within(seconds: float, operation: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(seconds):
        return await operation()
