"""One direction of a relayed stream: bytes from a source socket to a sink socket, in order, none lost, none hoarded.

Small exchanges are copied through one shared buffer; a stream that fills it several times in a row changes to
splice(2), and back when it turns small. At most one buffer (or pipe) is held when the sink is slow: the source is then
left unread, and TCP's own window pushes back.

With edge-triggered events an edge that is not used up is gone, hence the invariants:

- ``deferred`` means "there may be unread bytes whose edge is spent": whoever removes the obstacle must pump again;
- a short read may end a pump, for whatever comes later has an edge of its own; but not once an event has said that
  the source is ``ending``, for the end of file has had its edge then: such a read goes on until the end or EAGAIN;
- ``blocked`` (``pending`` or ``in_pipe`` not empty) implies ``deferred``.
"""

from __future__ import annotations

import errno
import os
import socket

from minikube_py.dataplane.userspace.engine import Callback, Deadlines, Engine
from minikube_py.dataplane.userspace.pipes import CAPACITY, Pipe, PipePool

BUFFER_SIZE = 1 << 16
_ROUNDS = 16
_FULL_READS_TO_SPLICE = 3
_SMALL_SPLICE = 1 << 14
_SMALL_SPLICES_TO_COPY = 4
_SPLICE_FLAGS = 0x01 | 0x02  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK


class Medium:
    """What all relays of an engine share: it runs in one thread, so one buffer is enough for all."""

    __slots__ = ("buffer", "connecting", "engine", "pipes", "view")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connecting = Deadlines(engine)
        self.pipes = PipePool()
        self.buffer = bytearray(BUFFER_SIZE)
        self.view = memoryview(self.buffer)


class Direction:
    """Bytes from ``source`` to ``sink``. Methods raise OSError when either socket has failed.

    ``resume`` is called in a later turn after a long stream has yielded; it must lead back to ``pump``. ``opposite`` is
    set by the owner; the direction that is done last leaves the ending of its sink to the owner, who closes both.
    """

    __slots__ = (
        "_full_reads",
        "_medium",
        "_pipe",
        "_recv_into",
        "_send",
        "_sink",
        "_small_splices",
        "_source",
        "blocked",
        "deferred",
        "done",
        "ending",
        "eof",
        "failing",
        "in_pipe",
        "moved",
        "opposite",
        "pending",
        "resume",
    )

    def __init__(self, medium: Medium, source: socket.socket, sink: socket.socket, resume: Callback) -> None:
        self._medium = medium
        self.resume = resume
        self._source = source
        self._sink = sink
        self._recv_into = source.recv_into
        self._send = sink.send
        self._pipe: Pipe | None = None
        self._full_reads = 0
        self._small_splices = 0
        self.pending: bytes | memoryview = b""
        self.in_pipe = 0
        self.blocked = False
        self.deferred = False
        self.ending = False
        self.eof = False
        self.failing = False
        self.done = False
        self.moved = 0
        self.opposite: Direction | None = None

    def pump(self, ending: bool) -> None:
        """The source has something: move it. ``ending`` says that it is ending, or has failed."""
        if self.eof:
            return
        if ending:
            self.ending = True
        if self.blocked:
            self.deferred = True
        elif self._pipe is not None:
            self._splice()
        else:
            self._copy()

    def flush(self) -> None:
        """The sink takes data again: send what waits for it, then go on reading."""
        if self.in_pipe:
            if not self._drain_pipe():
                return
        elif self.pending:
            sent = self._try_send(self.pending)
            if sent < len(self.pending):
                self.pending = memoryview(self.pending)[sent:]
                return
            self.pending = b""
        self.blocked = False
        if self.eof:
            self._finish()
        elif self.deferred:
            self.pump(False)

    def release(self) -> None:
        """Gives the pipe back; the direction is over."""
        self.done = True
        self.opposite = None
        if self._pipe is not None:
            self._medium.pipes.give_back(self._pipe, empty=not self.in_pipe)
            self._pipe = None

    def _copy(self) -> None:
        view, recv_into, buffer = self._medium.view, self._recv_into, self._medium.buffer
        for _ in range(_ROUNDS):
            try:
                size = recv_into(buffer)
            except BlockingIOError:
                self.deferred = False
                return
            if size == 0:
                self._end()
                return
            self.moved += size
            sent = self._try_send(view[:size])
            if sent < size:
                self.pending = bytes(view[sent:size])
                self.blocked = self.deferred = True
                return
            if size < BUFFER_SIZE:
                self._full_reads = 0
                if not self.ending:
                    self.deferred = False
                    return
            else:
                self._full_reads += 1
                if self._full_reads >= _FULL_READS_TO_SPLICE and self._start_splicing():
                    self._splice()
                    return
        self._yield()

    def _splice(self) -> None:
        pipe = self._pipe
        assert pipe is not None
        source = self._source.fileno()
        for _ in range(_ROUNDS):
            if self.in_pipe and not self._drain_pipe():
                self.blocked = self.deferred = True
                return
            try:
                size = os.splice(source, pipe.writer, CAPACITY, flags=_SPLICE_FLAGS)
            except BlockingIOError:
                self.deferred = False
                return
            if size == 0:
                self._end()
                return
            self.in_pipe = size
            self.moved += size
            self._small_splices = self._small_splices + 1 if size < _SMALL_SPLICE else 0
            if self._small_splices >= _SMALL_SPLICES_TO_COPY and self._drain_pipe():
                self._stop_splicing()
                self._copy()
                return
        self._yield()

    def _drain_pipe(self) -> bool:
        """Whether the pipe is empty now."""
        pipe = self._pipe
        assert pipe is not None
        sink = self._sink.fileno()
        while self.in_pipe:
            try:
                self.in_pipe -= os.splice(pipe.reader, sink, self.in_pipe, flags=_SPLICE_FLAGS)
            except BlockingIOError:
                return False
        return True

    def _start_splicing(self) -> bool:
        try:
            self._pipe = self._medium.pipes.take()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._full_reads = 0  # no descriptors to spare: copying works as well
            return False
        self._small_splices = 0
        return True

    def _stop_splicing(self) -> None:
        pipe, self._pipe = self._pipe, None
        self._full_reads = 0
        if pipe is not None:
            self._medium.pipes.give_back(pipe, empty=True)

    def _yield(self) -> None:
        """Others have waited long enough; the edge is spent, so the rest is remembered."""
        self.deferred = True
        self._medium.engine.again(self.resume)

    def _end(self) -> None:
        """End of file. What is still in the pipe goes first.

        A socket whose reset was reported to a send pretends to a reader that it ended in good order.
        """
        if self.failing:
            raise ConnectionResetError
        self.eof = True
        self.deferred = False
        if self.in_pipe and not self._drain_pipe():
            self.blocked = True
            return
        self._finish()

    def _finish(self) -> None:
        self.done = True
        if self.opposite is not None and self.opposite.done:
            return
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the sink is gone already; its own event tells
                raise

    def _try_send(self, data: bytes | memoryview) -> int:
        try:
            return self._send(data)
        except BlockingIOError:
            return 0
