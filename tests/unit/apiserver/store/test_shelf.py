"""Encodings beside the stored ones: made once per state, never of another state, bounded."""

from __future__ import annotations

from apiserver.store.objects import StoredObject
from apiserver.store.shelf import Shelf
from apiserver.store.store import Store
from minikube_py.api.resources import CONFIGMAPS
from minikube_py.api.types import Object


def test_a_full_shelf_takes_more_when_something_is_gone() -> None:
    shelf = Shelf(room=10)
    shelf.put(1, b"123456")
    shelf.put(2, b"12345")
    assert (shelf.get(1), shelf.get(2), len(shelf)) == (b"123456", None, 1)
    shelf.drop(1)
    shelf.drop(1)
    shelf.put(2, b"1234567890")
    assert shelf.get(2) == b"1234567890"


def config(name: str, value: str = "") -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"k": value}}


def test_a_state_is_encoded_once_while_it_is_the_present_one() -> None:
    maps = Store().collection(CONFIGMAPS)
    made: list[int] = []

    def make(stored: StoredObject) -> bytes:
        made.append(stored.revision)
        return b"<%b>" % stored.data

    first = maps.create(config("a"))
    assert [maps.encoded(first, make) for _ in range(3)] == [b"<%b>" % first.data] * 3
    second = maps.update(first, config("a", "b"))
    assert maps.encoded(second, make) == b"<%b>" % second.data
    assert maps.encoded(first, make) == b"<%b>" % first.data  # a list at an old revision, which is not remembered
    assert made == [first.revision, second.revision, first.revision]
    shown = maps.preview(config("a", "c"), second)  # a dry run has the revision of what is there, and other bytes
    assert maps.encoded(shown, make) == b"<%b>" % shown.data
    maps.delete(second)
    assert maps.encoded(second, make) == b"<%b>" % second.data
    assert made[3:] == [second.revision, second.revision]
