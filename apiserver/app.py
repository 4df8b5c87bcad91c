"""The API server as a part: starts from one configuration, answers until told to stop, leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import uvloop

from apiserver.assembly import Assembly, assemble
from apiserver.drivers.filejournal import FileJournal
from apiserver.identitylease import RENEW_SECONDS
from apiserver.listeners import BACKLOG, listening_sockets, tls_context, url_of
from apiserver.routes.connection import HTTPServer
from apiserver.store.store import Store
from minikube_py.aio.clock import Clock, SystemClock, Timer
from minikube_py.config.parts import APIServerConfig

_log = logging.getLogger(__name__)

#: How often watchers hear how far they have read, and how old history gets (upstream's figures).
BOOKMARK_SECONDS = 60.0
COMPACTION_SECONDS = 300.0
#: Requests in flight get this long to end when the server stops. Watches are ended at once.
DRAIN_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0

#: Full garbage collections come after so many of the middle kind: every few thousand writes, for ten milliseconds.
SHORT_EVERY = 3

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def first_revision(now: datetime) -> int:
    """Where a store without memory begins to count: above whatever an earlier one, lost with its process, reached."""
    return int((now - _EPOCH).total_seconds() * 1000)


class APIServer:
    """One API server. ``start`` returns when it answers, ``stop`` when nothing is left."""

    def __init__(self, config: APIServerConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self._clock: Clock = clock or SystemClock()
        self._store = Store(
            first_revision=first_revision(self._clock.now()),
            history_size=config.history_size,
            journal=FileJournal(config.journal) if config.journal is not None else None,
            on_pending=self._flush_soon,
        )
        self._http: HTTPServer | None = None
        self._servers: list[asyncio.Server] = []
        self._timers: dict[str, Timer] = {}
        self._urls: list[str] = []
        self._assembly: Assembly | None = None

    @property
    def url(self) -> str:
        """Where it answers; known once it is started."""
        return self._urls[0]

    async def start(self) -> None:
        """Load, write the boot objects, then listen. Raises OSError."""
        assembly = self._assembly = assemble(self.config, store=self._store, clock=self._clock)
        self._store.recover()
        assembly.boot.run(self._clock.now())
        assembly.lease.renew(self._clock.now())
        self._http = HTTPServer(assembly.api.handle, seal=assembly.messages.seal)
        context = tls_context(self.config)
        loop = asyncio.get_running_loop()
        for listener in listening_sockets(self.config):
            self._urls.append(url_of(listener))
            self._servers.append(
                await loop.create_server(
                    self._http, sock=listener, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=HANDSHAKE_SECONDS
                )
            )
        self._every("bookmark", BOOKMARK_SECONDS, self._store.bookmark)
        self._every("lease", RENEW_SECONDS, lambda: assembly.lease.renew(self._clock.now()))
        self._compact_later()
        _log.info("serving on %s", ", ".join(self._urls))

    async def stop(self) -> None:
        """Stop listening, end watches, let requests in flight finish, close."""
        for timer in self._timers.values():
            timer.cancel()
        for server in self._servers:
            server.close()
        self._store.close()
        if self._assembly is not None:
            self._assembly.dangling.stop()
            await self._assembly.streaming.close()
        if self._http is not None:
            self._http.pre_shutdown()
            await self._http.shutdown(DRAIN_SECONDS)
        if self._assembly is not None and self._assembly.auditor is not None:
            self._assembly.auditor.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _flush_soon(self) -> None:
        """Deliver events at the end of this tick: what is committed together goes out together."""
        asyncio.get_running_loop().call_soon(self._store.flush)

    def _every(self, name: str, seconds: float, action: object) -> None:
        assert callable(action)

        def fire() -> None:
            action()
            self._timers[name] = self._clock.call_later(seconds, fire)

        self._timers[name] = self._clock.call_later(seconds, fire)

    def _compact_later(self) -> None:
        """Forget what was history already at the previous compaction."""
        seen = [self._store.revision]

        def compact() -> None:
            self._store.compact(seen[0])
            seen[0] = self._store.revision

        self._every("compaction", COMPACTION_SECONDS, compact)


@contextmanager
def short_collections() -> Iterator[None]:
    """Within it, no garbage collection looks at what an earlier full one has left: that stays, as stored objects do.

    Else every full collection goes through all that is stored: a third of a second with fifty thousand pods. What is
    left and becomes a cycle of garbage later is not found; there is one such collection in thousands of writes, and
    what it could leave is the few requests and connections of that moment.
    """

    def freeze_survivors(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()

    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, SHORT_EVERY)
    gc.callbacks.append(freeze_survivors)
    try:
        gc.collect()
        gc.collect()  # tells the collector that nothing is left, so that it does not wait for a quarter of that to come
        yield
    finally:
        gc.callbacks.remove(freeze_survivors)
        gc.set_threshold(young, middle, old)


async def _run(config: APIServerConfig) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = APIServer(config)
    await server.start()
    with short_collections():
        await stopping.wait()
    await server.stop()


def main(config: APIServerConfig) -> int:
    """Run until SIGTERM. Returns the exit code."""
    uvloop.run(_run(config))
    return 0
