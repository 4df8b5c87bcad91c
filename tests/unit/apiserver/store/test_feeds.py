"""Watch fan-out: filters, transitions, sharing, bookmarks and the invariant that events rebuild the list."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from apiserver.routes.forms import PlainForm
from apiserver.store.objects import EventType, StoredObject
from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.api.errors import Gone
from minikube_py.api.resources import PODS
from minikube_py.api.selectors import parse_field_selector, parse_label_selector


@dataclass(eq=False)
class Recorder:
    """A watcher that keeps what it is given."""

    wants_bookmarks: bool = False
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False

    def deliver(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    def end(self) -> None:
        self.ended = True

    @property
    def events(self) -> list[tuple[str, str, str]]:
        lines = [orjson.loads(line) for line in b"".join(self.chunks).splitlines()]
        return [
            (line["type"], line["object"]["metadata"].get("name", ""), line["object"]["metadata"]["resourceVersion"])
            for line in lines
        ]


class CountingForm(PlainForm):
    """Counts encodings."""

    encoded: list[str] = []  # noqa: RUF012

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        self.encoded.append(stored.key)
        return super().event(kind, stored)


FORM = PlainForm(PODS)


def pod(name: str, *, phase: str = "", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "status": {"phase": phase} if phase else {},
    }


def test_a_selector_entered_or_left_is_added_or_deleted_at_the_new_revision() -> None:
    store = Store()
    pods, watcher = store.collection(PODS), Recorder()
    pods.feeds.join(Selection(labels=parse_label_selector("a=b")), FORM, watcher)
    stored = pods.create(pod("p"))
    stored = pods.update(stored, pod("p", a="b"))
    stored = pods.update(stored, pod("p", a="b", c="d"))
    stored = pods.update(stored, pod("p", a="z"))
    pods.delete(stored)
    store.flush()
    assert watcher.events == [("ADDED", "p", "3"), ("MODIFIED", "p", "4"), ("DELETED", "p", "5")]
    left = orjson.loads(b"".join(watcher.chunks).splitlines()[-1])
    assert left["object"]["metadata"]["labels"] == {"a": "b", "c": "d"}, "a leaver is shown as it was inside"


def test_field_transitions() -> None:
    store = Store()
    pods, watcher = store.collection(PODS), Recorder()
    pods.feeds.join(Selection(fields=parse_field_selector("status.phase=Running")), FORM, watcher)
    stored = pods.create(pod("p", phase="Pending"))
    stored = pods.update(stored, pod("p", phase="Running"))
    pods.update(stored, pod("p", phase="Failed"))
    store.flush()
    assert [event[0] for event in watcher.events] == ["ADDED", "DELETED"]


def test_one_encoding_and_one_chunk_serve_all_watchers_of_a_form() -> None:
    store = Store()
    pods, form = store.collection(PODS), CountingForm(PODS)
    watchers = [Recorder() for _ in range(50)]
    for watcher in watchers:
        pods.feeds.join(Selection(), form, watcher)
    other = Recorder()
    pods.feeds.join(Selection("default"), form, other)
    pods.create(pod("a"))
    pods.create(pod("b"))
    store.flush()
    assert form.encoded == ["default/a", "default/b"]
    assert all(watcher.chunks[0] is watchers[0].chunks[0] for watcher in watchers)
    assert other.chunks == watchers[0].chunks
    assert all(not change.encodings for change in pods.changes_since(1))


def test_the_owner_is_told_once_per_flush_that_events_wait() -> None:
    told: list[str] = []
    store = Store(on_pending=lambda: told.append("x"))
    pods = store.collection(PODS)
    pods.create(pod("unwatched"))
    assert told == []
    pods.feeds.join(Selection(), FORM, Recorder())
    pods.create(pod("a"))
    pods.create(pod("b"))
    assert told == ["x"]
    store.flush()
    pods.create(pod("c"))
    assert told == ["x", "x"]


def test_a_newcomer_gets_nothing_older_than_its_joining() -> None:
    store = Store()
    pods, early, late = store.collection(PODS), Recorder(), Recorder()
    pods.feeds.join(Selection(), FORM, early)
    pods.create(pod("a"))
    pods.feeds.join(Selection(), FORM, late)
    pods.create(pod("b"))
    store.flush()
    assert [event[1] for event in early.events] == ["a", "b"]
    assert [event[1] for event in late.events] == ["b"]


def test_bookmarks_only_for_those_who_want_them() -> None:
    store = Store()
    pods, wants, not_ = store.collection(PODS), Recorder(wants_bookmarks=True), Recorder()
    pods.feeds.join(Selection(), FORM, wants)
    pods.feeds.join(Selection(), FORM, not_)
    store.bookmark()
    assert wants.events == [("BOOKMARK", "", "1")]
    assert not_.events == []


def test_leaving_stops_delivery_and_can_be_done_twice() -> None:
    store = Store()
    pods, watcher = store.collection(PODS), Recorder()
    pods.feeds.join(Selection(), FORM, watcher)
    pods.feeds.leave(Selection(), FORM, watcher)
    pods.feeds.leave(Selection(), FORM, watcher)
    pods.create(pod("a"))
    store.flush()
    assert watcher.events == []
    assert len(pods.feeds) == 0


def test_the_end_reaches_every_watcher() -> None:
    store = Store()
    watcher = Recorder()
    store.collection(PODS).feeds.join(Selection(), FORM, watcher)
    store.close()
    assert watcher.ended


@pytest.mark.parametrize("seed", range(8))
def test_a_watcher_that_applies_its_events_always_equals_a_fresh_list(seed: int) -> None:
    """Whatever happens, from wherever it starts, with whatever filter."""
    chance = random.Random(seed)
    store = Store(history_size=40)
    pods = store.collection(PODS)
    selections = [Selection(), Selection(labels=parse_label_selector("a=1")), Selection("default")]
    clients: list[tuple[Selection, Recorder, dict[str, str]]] = []
    for _ in range(400):
        if chance.random() < 0.1:
            clients.append(_client(store, chance.choice(selections), chance))
        _write(pods, chance)
        if chance.random() < 0.3:
            store.flush()
    store.flush()
    for selection, recorder, view in clients:
        revisions = [int(revision) for _, _, revision in recorder.events]
        assert revisions == sorted(revisions)
        for kind, name, revision in recorder.events:
            if kind == "DELETED":
                del view[name]
            else:
                view[name] = revision
        assert view == {item.name: str(item.revision) for item in pods.select(selection).items}


def _client(store: Store, selection: Selection, chance: random.Random) -> tuple[Selection, Recorder, dict[str, str]]:
    """A client that lists somewhere in the past (or now, where that is gone) and watches from there."""
    pods, recorder = store.collection(PODS), Recorder()
    revision = max(1, store.revision - chance.randrange(30))
    try:
        listed = pods.select(selection, revision=revision)
        chunk = pods.feeds.replay(selection, FORM, pods.changes_since(listed.revision))
        recorder.chunks += [chunk] if chunk else []
    except Gone:
        listed = pods.select(selection)
    pods.feeds.join(selection, FORM, recorder)
    return selection, recorder, {item.name: str(item.revision) for item in listed.items}


def _write(pods: Any, chance: random.Random) -> None:
    name = f"p{chance.randrange(10)}"
    present = pods.get("default", name)
    obj = pod(name, a=chance.choice("12"))
    if present is None:
        pods.create(obj)
    elif chance.random() < 0.3:
        pods.delete(present)
    else:
        pods.update(present, obj)
