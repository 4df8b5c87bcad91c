"""GET of one object and of lists: at the right revision, in pages, in the form asked for, streamed in slices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
import yaml
from aiohttp import web

from apiserver.refusals import not_found, too_new
from apiserver.routes.continuation import decode_continue, encode_continue
from apiserver.routes.forms import JSONForm, PartialForm, PlainForm, TableForm, WireForm
from apiserver.routes.negotiation import Wanted, negotiate
from apiserver.routes.options import ListOptions, parse_revision
from apiserver.routes.protobufform import PROTOBUF_TYPE, ProtobufForm
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import JSON, Answer, ChunkedStream, Header, send
from apiserver.routes.served import Served
from apiserver.store.collection import Page
from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.api.errors import BadRequest, Gone
from minikube_py.api.selectors import parse_field_selector, parse_label_selector
from minikube_py.api.types import Object

#: Lists above this many bytes are streamed, and compressed for clients that accept it (upstream's own threshold).
LARGE = 128 * 1024
#: What is written before other requests get their turn: about 2 ms of work.
SLICE = 256 * 1024
#: How many objects are turned into messages in one go: some milliseconds of work.
MESSAGES_AT_ONCE = 50

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def selection_of(served: Served, namespace: str, options: ListOptions) -> Selection:
    """What the options select. Raises BadRequest for a selector that cannot be."""
    labels = parse_label_selector(options.label_selector)
    fields = served.collection.fields.check(parse_field_selector(options.field_selector))
    return Selection(namespace, labels, fields)


def read_object(store: Store, served: Served, info: RequestInfo, accept: str) -> Answer:
    """One object. Raises NotFound, or Timeout for a revision that is yet to come."""
    asked = parse_revision(info.parameter("resourceVersion"))
    if asked > store.revision:
        raise too_new(asked, store.revision)
    stored = served.collection.get(info.namespace, info.name)
    if stored is None:
        raise not_found(served.resource, info.name)
    wanted = negotiate(accept)
    return render(served.form(wanted, info.parameter("includeObject", "Metadata")).object(stored), wanted)


def render(body: bytes, wanted: Wanted, status: int = 200) -> Answer:
    """A complete body in the encoding asked for."""
    if not wanted.yaml:
        return Answer(status, body)
    text = yaml.dump(orjson.loads(body), Dumper=_dumper(), sort_keys=True, default_flow_style=False)
    return Answer(status, text.encode(), b"application/yaml")


def _dumper() -> Any:
    return getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Query(NamedTuple):
    """A list as the store is asked for it."""

    revision: int | None
    after: str


def plan_list(options: ListOptions, current: int) -> Query:
    """At which revision and after which key to list.

    Follows "Semantics for get and list" of the API concepts: an old revision is "not older than" unless Exact is asked
    for, or a limit is set without saying which. Raises BadRequest, Timeout (yet to come).
    """
    if options.continue_token:
        if options.resource_version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        after, revision = decode_continue(options.continue_token)
        return Query(revision if revision > 0 else None, after)
    asked = parse_revision(options.resource_version)
    if asked > current:
        raise too_new(asked, current)
    exact = options.resource_version_match == "Exact"
    if asked and (exact or (options.limit and not options.resource_version_match)):
        return Query(asked, "")
    return Query(None, "")


def read_page(served: Served, selection: Selection, options: ListOptions, current: int) -> Page:
    """The page that the options ask for. Raises Gone where its revision is compacted."""
    query = plan_list(options, current)
    try:
        return served.collection.select(selection, limit=options.limit, after=query.after, revision=query.revision)
    except Gone:
        if not options.continue_token:
            raise
        fresh = encode_continue(query.after, -1)
        raise ExpiredPage(fresh) from None


class ExpiredPage(Gone):
    """The snapshot of a paged list is compacted; ``fresh`` goes on from the same key, at the newest revision."""

    def __init__(self, fresh: str) -> None:
        super().__init__(EXPIRED)
        self.fresh = fresh

    def to_status(self) -> Object:
        return super().to_status() | {"metadata": {"continue": self.fresh}}


def list_metadata(page: Page) -> bytes:
    """The ``metadata`` of a list."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.last is not None:
        metadata["continue"] = encode_continue(page.last, page.revision)
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return orjson.dumps(metadata)


async def send_list(
    request: web.BaseRequest, form: WireForm, page: Page, wanted: Wanted, headers: tuple[Header, ...] = ()
) -> web.StreamResponse:
    """Write a list: at once where it is small, otherwise slice by slice at the client's pace."""
    if isinstance(form, ProtobufForm):
        return await _send_messages(request, form, page, headers)
    assert isinstance(form, PlainForm | PartialForm | TableForm)
    head = form.list_head(list_metadata(page))
    if wanted.yaml or sum(len(stored.data) for stored in page.items) <= LARGE:
        body = head + b",".join([form.item(stored) for stored in page.items]) + b"]}"
        answer = render(body, wanted)
        answer.headers = headers
        return await send(request, answer)
    return await _stream(request, _spliced(form, page, head), JSON, headers)


async def _send_messages(
    request: web.BaseRequest, form: ProtobufForm, page: Page, headers: tuple[Header, ...]
) -> web.StreamResponse:
    """The same in protobuf, where the whole has to be known before its first byte: others get their turn meanwhile."""
    items: list[bytes] = []
    for position, stored in enumerate(page.items):
        items.append(form.item(stored))
        if position % MESSAGES_AT_ONCE == MESSAGES_AT_ONCE - 1:
            await asyncio.sleep(0)
    size = sum(map(len, items))
    pieces = form.list_pieces(list_metadata(page), items, size)
    if size <= LARGE:
        return await send(request, Answer(200, b"".join(pieces), PROTOBUF_TYPE, headers))
    return await _stream(request, pieces, PROTOBUF_TYPE, headers)


async def _stream(
    request: web.BaseRequest, pieces: Iterable[bytes], content_type: bytes, headers: tuple[Header, ...]
) -> web.StreamResponse:
    compress = "gzip" in request.headers.get("Accept-Encoding", "")
    stream = ChunkedStream(request, compress=compress)
    stream.start(content_type, headers=headers)
    for parts, size in _gathered(pieces):
        stream.write_joined(parts, size)
        await stream.drained()
        await asyncio.sleep(0)
    return await stream.finish()


def _gathered(pieces: Iterable[bytes]) -> Iterator[tuple[list[bytes], int]]:
    """Slices of what is to be written, each with its size."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= SLICE:
            yield parts, size
            parts, size = [], 0
    yield parts, size


def _spliced(form: JSONForm, page: Page, head: bytes) -> Iterator[bytes]:
    """A list in JSON, piece by piece."""
    yield head
    separator = b""
    for stored in page.items:
        yield separator
        yield form.item(stored)
        separator = b","
    yield b"]}"
