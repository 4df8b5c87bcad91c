"""GET of one object and of lists: at the right revision, in pages, in the form asked for, streamed in slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
import yaml
from aiohttp import web

from apiserver.refusals import not_found, too_new
from apiserver.routes.continuation import decode_continue, encode_continue
from apiserver.routes.forms import JSONForm, PartialForm, PlainForm, TableForm, WireForm
from apiserver.routes.negotiation import Wanted, negotiate
from apiserver.routes.options import ListOptions, parse_revision
from apiserver.routes.pacing import SLICE, Pace, write_paced
from apiserver.routes.protobufform import PROTOBUF_TYPE, ProtobufForm
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import JSON, Answer, ChunkedStream, Header, send
from apiserver.routes.served import Served
from apiserver.store.collection import Page
from apiserver.store.objects import StoredObject
from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.api.errors import BadRequest, Gone
from minikube_py.api.selectors import parse_field_selector, parse_label_selector
from minikube_py.api.types import Object

#: Lists above this many bytes are streamed, and compressed for clients that accept it (upstream's own threshold).
LARGE = 128 * 1024
#: How many objects are brought into their form before a look at the clock.
BATCH = 16
YAML = b"application/yaml"

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
    return Answer(status, yaml_text(orjson.loads(body)).encode(), YAML)


def yaml_text(value: Any) -> str:
    """A value in YAML, in block style with sorted keys."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=True, default_flow_style=False)
    return text


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
    if is_small(page.items):
        body = head + b",".join([form.item(stored) for stored in page.items]) + b"]}"
        answer = render(body, wanted)
        answer.headers = headers
        return await send(request, answer)
    if wanted.yaml:
        return await _stream(request, yaml_pieces(head + b"]}", form, page), YAML, headers)
    return await _stream(request, _spliced(form, page, head), JSON, headers)


def is_small(items: Sequence[StoredObject]) -> bool:
    """Whether a list of these is written at once: no object is as short as a hundred bytes."""
    return len(items) <= LARGE // 100 and sum(len(stored.data) for stored in items) <= LARGE


async def _send_messages(
    request: web.BaseRequest, form: ProtobufForm, page: Page, headers: tuple[Header, ...]
) -> web.StreamResponse:
    """The same in protobuf, where the whole has to be known before its first byte: others get their turn meanwhile."""
    items: list[bytes] = []
    pace = Pace()
    for batch in _batches(page.items):
        items += [form.item(stored) for stored in batch]
        if pace.is_due():
            await pace.turn()
    size = sum(map(len, items))
    pieces = form.list_pieces(list_metadata(page), items, size)
    if size <= LARGE:
        return await send(request, Answer(200, b"".join(pieces), PROTOBUF_TYPE, headers))
    return await _stream(request, ([piece] for piece in pieces), PROTOBUF_TYPE, headers)


async def _stream(
    request: web.BaseRequest, pieces: Iterable[list[bytes]], content_type: bytes, headers: tuple[Header, ...]
) -> web.StreamResponse:
    compress = "gzip" in request.headers.get("Accept-Encoding", "")
    stream = ChunkedStream(request, compress=compress)
    stream.start(content_type, headers=headers)
    await write_paced(pieces, stream, stream.write_joined)
    return await stream.finish()


def _batches(items: Sequence[StoredObject]) -> Iterator[Sequence[StoredObject]]:
    """A few objects at a time; large ones one by one."""
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        if sum([len(stored.data) for stored in batch]) <= SLICE:
            yield batch
        else:
            yield from ([stored] for stored in batch)


def _spliced(form: JSONForm, page: Page, head: bytes) -> Iterator[list[bytes]]:
    """A list in JSON, a batch of items at a time."""
    yield [head]
    separator = b""
    for batch in _batches(page.items):
        parts = [b","] * (2 * len(batch))
        parts[0], separator = separator, b","
        parts[1::2] = [form.item(stored) for stored in batch]
        yield parts
    yield [b"]}"]


def yaml_pieces(empty: bytes, form: JSONForm, page: Page) -> Iterator[list[bytes]]:
    """A list in YAML, an item at a time. ``empty`` is the list in JSON without its items, which come in block style."""
    frame: Object = orjson.loads(empty)
    holder = "rows" if "rows" in frame else "items"
    before, found, after = yaml_text(frame).partition(f"\n{holder}: []\n")
    assert found
    yield [f"{before}\n{holder}:\n".encode()]
    for stored in page.items:
        yield [yaml_text([orjson.loads(form.item(stored))]).encode()]
    yield [after.encode()]
