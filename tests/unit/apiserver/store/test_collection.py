"""Commits, lists at a revision, indexes: the store as its users see it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.api.errors import Gone
from minikube_py.api.resources import CONFIGMAPS, EVENTS, NODES, PODS
from minikube_py.api.selectors import parse_field_selector, parse_label_selector


def pod(name: str, namespace: str = "default", *, node: str = "", **labels: str) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels},
        "spec": {"nodeName": node} if node else {},
    }


def names(store: Store, selection: Selection, **options: Any) -> list[str]:
    return [stored.key for stored in store.collection(PODS).select(selection, **options).items]


def test_every_commit_takes_the_next_revision_and_is_what_is_read() -> None:
    store = Store()
    pods = store.collection(PODS)
    first = pods.create(pod("a"))
    second = pods.update(first, pod("a", x="y"))
    gone = pods.delete(second)
    assert [first.revision, second.revision, gone.revision] == [2, 3, 4]
    assert store.revision == 4
    assert second.load()["metadata"]["resourceVersion"] == "3"
    assert gone.load()["metadata"]["resourceVersion"] == "4"
    assert pods.get("default", "a") is None
    assert b'"kind"' not in first.data


def test_a_write_on_a_stale_state_is_a_programming_error() -> None:
    pods = Store().collection(PODS)
    first = pods.create(pod("a"))
    pods.update(first, pod("a", x="y"))
    with pytest.raises(ValueError, match="changed meanwhile"):
        pods.update(first, pod("a"))
    with pytest.raises(ValueError, match="changed meanwhile"):
        pods.delete(first)
    with pytest.raises(ValueError, match="exists"):
        pods.create(pod("a"))


def test_what_is_read_cannot_change_what_is_stored() -> None:
    pods = Store().collection(PODS)
    stored = pods.create(pod("a", x="y"))
    stored.load()["metadata"]["labels"]["x"] = "z"
    assert pods.get("default", "a").load()["metadata"]["labels"] == {"x": "y"}  # type: ignore[union-attr]


def test_lists_come_in_the_key_order_of_etcd() -> None:
    store = Store()
    for namespace, name in (("a-b", "x"), ("a", "z"), ("a", "b"), ("b", "a")):
        store.collection(PODS).create(pod(name, namespace))
    assert names(store, Selection()) == ["a-b/x", "a/b", "a/z", "b/a"]
    assert names(store, Selection("a")) == ["a/b", "a/z"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("app=web", ["default/w1", "default/w2"]),
        ("app=web,tier=front", ["default/w1"]),
        ("app in (web,db)", ["default/d", "default/w1", "default/w2"]),
        ("app!=web", ["default/d", "default/n"]),
        ("!app", ["default/n"]),
        ("app", ["default/d", "default/w1", "default/w2"]),
        ("app=none", []),
    ],
)
def test_label_selectors_of_every_form(labels: str, expected: list[str]) -> None:
    store = Store()
    pods = store.collection(PODS)
    for obj in (pod("w1", app="web", tier="front"), pod("w2", app="web"), pod("d", app="db"), pod("n")):
        pods.create(obj)
    assert names(store, Selection(labels=parse_label_selector(labels))) == expected


def test_field_selectors_use_the_values_of_the_last_commit() -> None:
    store = Store()
    pods = store.collection(PODS)
    stored = pods.create(pod("a", node="n1"))
    pods.create(pod("b", node="n2"))
    on_first = Selection(fields=parse_field_selector("spec.nodeName=n1"))
    assert names(store, on_first) == ["default/a"]
    pods.update(stored, pod("a", node="n2"))
    assert names(store, on_first) == []
    elsewhere = Selection(fields=parse_field_selector("spec.nodeName=n2,metadata.name!=b"))
    assert names(store, elsewhere) == ["default/a"]


def test_cluster_scoped_objects_have_a_bare_key() -> None:
    nodes = Store().collection(NODES)
    nodes.create({"metadata": {"name": "n1"}})
    assert nodes.get("", "n1") is not None
    assert [stored.key for stored in nodes.select(Selection()).items] == ["n1"]


def test_pages_of_an_old_list_stay_consistent_while_objects_come_and_go() -> None:
    store = Store()
    pods = store.collection(PODS)
    stored = {name: pods.create(pod(name)) for name in ("a", "b", "c", "d")}
    page = pods.select(Selection(), limit=2)
    assert (page.last, page.remaining) == ("default/b", 2)
    pods.delete(stored["c"])
    pods.create(pod("bb"))
    pods.update(stored["d"], pod("d", changed="yes"))
    rest = pods.select(Selection(), limit=2, after="default/b", revision=page.revision)
    assert [item.name for item in rest.items] == ["c", "d"]
    assert rest.items[1].labels == {}
    assert rest.last is None


def test_filtered_pages_do_not_count_what_remains() -> None:
    pods = Store().collection(PODS)
    for name in "abc":
        pods.create(pod(name, x="y"))
    page = pods.select(Selection(labels=parse_label_selector("x=y")), limit=1)
    assert page.last == "default/a"
    assert page.remaining is None


def test_compaction_ends_reading_of_the_past() -> None:
    store = Store()
    maps = store.collection(CONFIGMAPS)
    first = maps.create({"metadata": {"name": "a", "namespace": "x"}})
    maps.update(first, {"metadata": {"name": "a", "namespace": "x"}, "data": {"k": "v"}})
    store.compact(store.revision)
    with pytest.raises(Gone):
        maps.select(Selection(), revision=first.revision)
    with pytest.raises(Gone):
        maps.changes_since(first.revision)
    assert list(maps.changes_since(store.revision)) == []


def test_compaction_ends_pages_of_what_did_not_change_but_no_watch_of_it() -> None:
    store = Store()
    maps = store.collection(CONFIGMAPS)
    for name in "ab":
        maps.create({"metadata": {"name": name, "namespace": "x"}})
    page = maps.select(Selection(), limit=1)
    store.collection(EVENTS).create({"metadata": {"name": "e", "namespace": "x"}})
    store.compact(store.revision)
    with pytest.raises(Gone):
        maps.select(Selection(), limit=1, after="x/a", revision=page.revision)
    assert list(maps.changes_since(page.revision)) == []


def test_history_is_bounded_and_bisects_on_revisions() -> None:
    store = Store(history_size=8)
    events = store.collection(EVENTS)
    stored = [events.create({"metadata": {"name": f"e{index}", "namespace": "x"}}) for index in range(50)]
    assert [change.revision for change in events.changes_since(store.revision - 3)] == [
        item.revision for item in stored[-3:]
    ]
    with pytest.raises(Gone):
        events.changes_since(stored[10].revision)


def test_any_sequence_of_writes_leaves_every_index_equal_to_a_scan() -> None:
    chance = random.Random(7)
    store = Store()
    pods = store.collection(PODS)
    past: dict[int, dict[str, int]] = {}
    for _ in range(600):
        name = f"p{chance.randrange(12)}"
        namespace = chance.choice(["a", "b"])
        present = pods.get(namespace, name)
        obj = pod(name, namespace, node=chance.choice(["", "n1", "n2"]), app=chance.choice("xyz"))
        if present is None:
            pods.create(obj)
        elif chance.random() < 0.4:
            pods.delete(present)
        else:
            pods.update(present, obj)
        past[store.revision] = {item.key: item.revision for item in pods.everything()}
    live = list(pods.everything())
    for label in "xyz":
        chosen = names(store, Selection("a", labels=parse_label_selector(f"app={label}")))
        assert chosen == [item.key for item in live if item.namespace == "a" and item.labels["app"] == label]
    for revision in (3, 100, 350, store.revision):
        listed = pods.select(Selection(), revision=revision).items
        assert {item.key: item.revision for item in listed} == past[revision]


@pytest.mark.parametrize("labels", ["", "x=0", "x!=0", "x in (0,1)", "x in (0,1,2)", "x", "!x", "y=1"])
@pytest.mark.parametrize(
    "fields", ["", "spec.nodeName=n1", "spec.nodeName=", "metadata.namespace!=b", "spec.nodeName!=n2"]
)
@pytest.mark.parametrize("namespace", ["", "a", "b", "none"])
def test_a_selection_is_what_matches_in_key_order_however_it_is_found(labels: str, fields: str, namespace: str) -> None:
    store, dice = Store(), random.Random(7)
    pods = store.collection(PODS)
    for number in dice.sample(range(90), 90):
        marks = {} if number % 5 == 4 else {"x": str(number % 3 if number < 80 else 9)}
        marks |= {"y": "1"} if number == 50 else {}
        pods.create(pod(f"p-{number}", dice.choice("abc"), node=f"n{number % 4}" if number % 2 else "", **marks))
    selection = Selection(namespace, parse_label_selector(labels), pods.fields.check(parse_field_selector(fields)))
    matches = selection.matcher(pods.fields.paths)
    expected = sorted(stored.key for stored in pods.everything() if matches(stored))
    assert names(store, selection) == expected
    revision = store.revision
    for stored in list(pods.everything())[::9]:
        pods.delete(stored)
    assert names(store, selection, revision=revision) == expected
