"""Watches: what is there (or has happened since a revision), then every change, until somebody ends it.

The handler joins the collection's feed in the same step in which it reads the store, so that no event falls between;
what happens while the beginning is still being written waits in the stream's backlog.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson
from aiohttp import web

from apiserver.refusals import too_new
from apiserver.routes.forms import WireForm
from apiserver.routes.options import ListOptions, parse_revision
from apiserver.routes.pacing import write_paced
from apiserver.routes.responses import ChunkedStream
from apiserver.routes.streaming.messages import wants_messages
from apiserver.routes.watchmessages import MessageStream
from apiserver.store.collection import Collection
from apiserver.store.objects import Change, StoredObject
from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Gone

_log = logging.getLogger(__name__)

#: A watcher that leaves this much unread is cut off; it resumes at its last revision, or lists again after a 410.
LAG_LIMIT = 16 * 1024 * 1024
#: Without timeoutSeconds a watch lasts between half and the whole of this (upstream's min-request-timeout).
LONGEST_SECONDS = 3600.0
#: How many changes are replayed before a look at the clock.
AT_ONCE = 16


#: Lines in an answer without end, or messages.
EventStream = ChunkedStream | MessageStream


class WatchStream:
    """A watcher that writes to an HTTP response. Delivery never waits; a client too far behind is cut off."""

    def __init__(self, stream: EventStream, form: WireForm, *, wants_bookmarks: bool) -> None:
        self.wants_bookmarks = wants_bookmarks
        self._form: WireForm | None = form
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stream = stream
        self._backlog: list[bytes] | None = []
        self._backlog_bytes = 0

    def deliver(self, chunk: bytes) -> None:
        """Write a chunk, or keep it while the beginning is still being written."""
        if self._backlog is not None:
            self._backlog.append(chunk)
            self._backlog_bytes += len(chunk)
        else:
            self._write(chunk)
        if self._backlog_bytes + self._stream.unsent_bytes > LAG_LIMIT:
            self._fail(ConnectionResetError("the watcher does not keep up"))

    def go_live(self) -> None:
        """Write the backlog; from now on chunks go straight out."""
        backlog, self._backlog, self._backlog_bytes = self._backlog or [], None, 0
        if backlog:
            self._write(b"".join(backlog))

    def end(self) -> None:
        """End the stream in an orderly way."""
        if not self.ended.done():
            self.ended.set_result(None)

    def _write(self, chunk: bytes) -> None:
        try:
            self.emit(chunk)
        except ConnectionResetError as error:
            self._fail(error)

    def emit(self, chunk: bytes) -> None:
        """Write events; the very first ones open the stream. Raises ConnectionResetError."""
        if self._form is not None:
            chunk, self._form = self._form.opening(chunk), None
        self._stream.write(chunk)

    def emit_joined(self, parts: list[bytes], size: int) -> None:
        """Write events that are ``size`` bytes together, if there are any. Raises ConnectionResetError."""
        if size:
            self.emit(b"".join(parts))

    def _fail(self, error: ConnectionResetError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


class Beginning(NamedTuple):
    """What a watch starts with: objects shown as ADDED, changes replayed, and whether a bookmark ends the list."""

    objects: Sequence[StoredObject]
    changes: Sequence[Change]
    bookmark: bool
    revision: int


def plan_watch(collection: Collection, selection: Selection, options: ListOptions, current: int) -> Beginning:
    """The beginning of a watch. Raises Gone (compacted) or Timeout (a streaming list not yet possible)."""
    asked = parse_revision(options.resource_version)
    if options.send_initial_events:
        if asked > current:
            raise too_new(asked, current)
        return Beginning(collection.select(selection).items, (), options.allow_bookmarks, current)
    if asked == 0:
        wants_objects = options.send_initial_events is None
        return Beginning(collection.select(selection).items if wants_objects else (), (), False, current)
    return Beginning((), collection.changes_since(asked), False, current)


class WatchRoute:
    """Serves watches. ``store`` and ``clock`` belong to the server."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def serve(
        self,
        request: web.BaseRequest,
        collection: Collection,
        selection: Selection,
        form: WireForm,
        options: ListOptions,
    ) -> web.StreamResponse:
        """Write the stream until the client leaves, its time is up or the server stops."""
        if not wants_messages(request):
            return await self._serve(ChunkedStream(request), request, collection, selection, form, options)
        stream, tasks = MessageStream(request, binary=b"protobuf" in form.stream_type), TaskSet("watch over WebSocket")
        await stream.open()
        try:
            tasks.spawn(stream.until_closed(), name="read")
            return await self._serve(stream, request, collection, selection, form, options)
        finally:
            await tasks.close()

    async def _serve(
        self,
        stream: EventStream,
        request: web.BaseRequest,
        collection: Collection,
        selection: Selection,
        form: WireForm,
        options: ListOptions,
    ) -> web.StreamResponse:
        try:
            begin = plan_watch(collection, selection, options, self._store.revision)
        except Gone as error:
            return await _refuse(stream, form, error)
        watcher = WatchStream(stream, form, wants_bookmarks=options.allow_bookmarks)
        collection.feeds.join(selection, form, watcher)
        timer = self._clock.call_later(_seconds(options), watcher.end)
        try:
            stream.start(form.stream_type)
            await write_paced(_first_events(collection, selection, form, begin), stream, watcher.emit_joined)
            watcher.go_live()
            await watcher.ended
        except ConnectionResetError as error:
            _log.info("watch of %s ends: %s", collection.resource.plural, error)
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            timer.cancel()
            collection.feeds.leave(selection, form, watcher)
        return await stream.finish()


def _seconds(options: ListOptions) -> float:
    if options.timeout_seconds:
        return float(options.timeout_seconds)
    return LONGEST_SECONDS * random.uniform(0.5, 1.0)


async def _refuse(stream: EventStream, form: WireForm, error: Gone) -> web.StreamResponse:
    """A watch from a compacted revision answers 200 with an ERROR event, as upstream's does."""
    stream.start(form.stream_type)
    stream.write(form.frame("ERROR", orjson.dumps(error.to_status())))
    return await stream.finish()


def _first_events(
    collection: Collection, selection: Selection, form: WireForm, begin: Beginning
) -> Iterator[list[bytes]]:
    """What the watch begins with, in small pieces."""
    for stored in begin.objects:
        yield [form.event("ADDED", stored)]
    for start in range(0, len(begin.changes), AT_ONCE):
        yield [collection.feeds.replay(selection, form, begin.changes[start : start + AT_ONCE])]
    if begin.bookmark:
        yield [form.bookmark(begin.revision, initial_end=True)]
