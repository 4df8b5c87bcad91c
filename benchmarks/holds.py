"""How long a server's event loop is held: the CPU time between two turns, which a busy machine does not lengthen.

The probe runs in the server's process and asks for its next turn at once, so that the loop never rests while it looks:
it is for measuring holds, not rates.
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from time import thread_time

BEGIN, END, STOP = "begin", "end", "stop"


class HoldProbe:
    """The longest hold, in seconds of CPU, between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self._handle: asyncio.Handle | None = None
        self._last = self._longest = 0.0

    def begin(self) -> None:
        """Look from now on."""
        self._longest, self._last = 0.0, thread_time()
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        now = thread_time()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def end(self) -> float:
        """Look no longer; the longest hold."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        return self._longest


async def report_holds(pipe: Connection) -> None:
    """In the server: do as the other end of the pipe says, until it says STOP."""
    probe = HoldProbe()
    loop = asyncio.get_running_loop()
    while (asked := await loop.run_in_executor(None, pipe.recv)) != STOP:
        if asked == BEGIN:
            probe.begin()
            pipe.send(0.0)
        else:
            pipe.send(probe.end())


def ask(pipe: Connection, what: str) -> float:
    """At the other end: say BEGIN or END; the longest hold since the last BEGIN."""
    pipe.send(what)
    found: float = pipe.recv()
    return found
