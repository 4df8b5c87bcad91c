"""The informer's cache: what a list or an event changes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.client.cache import Cache


def obj(name: str, revision: int, uid: str = "u", **labels: str) -> Object:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(revision), "labels": labels}}


def by_app(found: Object) -> list[str]:
    return list(found["metadata"]["labels"].values())


def told(changes: Any) -> list[tuple[str | None, str | None]]:
    return [tuple(side and side["metadata"]["resourceVersion"] for side in change) for change in changes]


def test_additions_updates_and_deletions() -> None:
    cache = Cache({})
    assert told(cache.put(obj("a", 1))) == [(None, "1")]
    assert told(cache.put(obj("a", 2))) == [("1", "2")]
    assert told(cache.remove(obj("a", 3))) == [("2", None)]
    assert told(cache.remove(obj("a", 3))) == []
    assert len(cache) == 0


def test_what_is_known_already_changes_nothing() -> None:
    cache = Cache({})
    list(cache.put(obj("a", 5)))
    assert told(cache.put(obj("a", 5))) == []
    assert told(cache.put(obj("a", 4))) == []
    assert told(cache.replace([obj("a", 5)])) == []


def test_another_object_of_the_same_name_is_a_deletion_and_an_addition() -> None:
    cache = Cache({})
    list(cache.put(obj("a", 1, uid="first")))
    assert told(cache.put(obj("a", 5, uid="second"))) == [("1", None), (None, "5")]
    assert told(cache.remove(obj("a", 2, uid="first"))) == []
    assert told(cache.replace([obj("a", 6, uid="third")])) == [("5", None), (None, "6")]


def test_a_list_from_a_server_that_started_over_counts_although_its_revisions_are_lower() -> None:
    cache = Cache({})
    list(cache.replace([obj("kept", 50), obj("gone", 60)]))
    assert told(cache.replace([obj("kept", 3), obj("new", 2)])) == [("60", None), ("50", "3"), (None, "2")]


def test_indexes_follow() -> None:
    cache = Cache({"app": by_app})
    list(cache.replace([obj("a", 1, app="x"), obj("b", 2, app="x"), obj("c", 3, app="y")]))
    assert [found["metadata"]["name"] for found in cache.by_index("app", "x")] == ["a", "b"]
    list(cache.put(obj("a", 4, app="y")))
    list(cache.remove(obj("b", 5)))
    assert cache.by_index("app", "x") == []
    assert len(cache.by_index("app", "y")) == 2
    with pytest.raises(KeyError):
        cache.by_index("unknown", "x")


def test_an_index_may_come_later_and_its_name_means_one_function() -> None:
    cache = Cache({})
    list(cache.put(obj("a", 1, app="x")))
    cache.add_index("app", by_app)
    cache.add_index("app", by_app)
    assert len(cache.by_index("app", "x")) == 1
    with pytest.raises(ValueError, match="app"):
        cache.add_index("app", lambda found: [])


def test_following_the_changes_gives_the_cache() -> None:
    """Property: a subscriber that applies what it is told has what the cache has; so have the indexes."""
    chooser = random.Random(7)
    cache = Cache({"app": by_app})
    follower: dict[str, Object] = {}
    for revision in range(1, 2000):
        some = obj(f"n{chooser.randrange(8)}", revision, uid=f"u{chooser.randrange(3)}", app=f"a{chooser.randrange(3)}")
        step = chooser.random()
        if step < 0.6:
            changes = cache.put(some)
        elif step < 0.9:
            changes = cache.remove(some)
        else:
            changes = cache.replace([{**some, "metadata": {**some["metadata"], "name": f"n{n}"}} for n in range(4)])
        for old, new in changes:
            name = (new or old or {})["metadata"]["name"]
            assert follower.get(name) is old
            if new is None:
                del follower[name]
            else:
                follower[name] = new
        assert follower == {found["metadata"]["name"]: found for found in cache.objects()}
        for value in ("a0", "a1", "a2"):
            expected = [found for found in cache.objects() if value in by_app(found)]
            assert sorted(map(id, cache.by_index("app", value))) == sorted(map(id, expected))
