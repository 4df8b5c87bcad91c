"""Owners, dependents, and what their going means."""

from __future__ import annotations

from typing import Any

from minikube_py.api.resources import CONFIGMAPS, NODES
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.garbage.graph import (
    FOREGROUND,
    Graph,
    Node,
    blocking,
    is_questionable,
    propagation_for,
    standing,
)


def ref(uid: str, *, blocks: bool = True) -> Object:
    return {"uid": uid, "name": uid, "kind": "ConfigMap", "apiVersion": "v1", "blockOwnerDeletion": blocks}


def node(uid: str, *owners: Object, namespace: str = "default", **extra: Any) -> Node:
    resource = CONFIGMAPS if namespace else NODES
    return Node(
        uid, resource, ObjectKey(namespace, uid), owners, extra.get("finalizers", ()), extra.get("deleting", False)
    )


def graph(*nodes: Node) -> Graph:
    made = Graph()
    for entry in nodes:
        list(made.observe(entry))
    return made


def gone(_reference: Object) -> bool:
    return True


def test_dependents_of_what_went_need_a_look() -> None:
    known = graph(node("owner"), node("a", ref("owner")), node("b", ref("owner")))
    assert set(known.forget("owner")) == {"a", "b"}


def test_ordinary_objects_are_not_looked_at() -> None:
    known = graph(node("owner"), node("a", ref("owner")))
    dependent = known.get("a")
    assert dependent is not None and not is_questionable(dependent, known)
    assert is_questionable(node("c", ref("ghost")), known)


def test_owners_stand_fall_or_wait() -> None:
    waiting = node("w", finalizers=(FOREGROUND,), deleting=True)
    known = graph(node("s"), waiting)
    state = standing(node("d", ref("s"), ref("x"), ref("w"), ref("w", blocks=False)), known, gone)
    assert [len(part) for part in (state.solid, state.dangling, state.waiting)] == [2, 1, 1]


def test_an_owner_of_another_namespace_is_none() -> None:
    known = graph(node("far", namespace="other"), node("wide", namespace=""))
    state = standing(node("d", ref("far"), ref("wide")), known, gone)
    assert [entry["uid"] for entry in state.dangling] == ["far"]
    assert [entry["uid"] for entry in state.solid] == ["wide"]


def test_foreground_waits_for_those_that_block() -> None:
    owner = node("owner", finalizers=(FOREGROUND,), deleting=True)
    known = graph(owner, node("a", ref("owner")), node("b", ref("owner", blocks=False)))
    assert [entry.uid for entry in blocking(owner, known)] == ["a"]
    assert "owner" in set(known.forget("a"))
    assert blocking(owner, known) == []


def test_deletion_propagates_as_it_must() -> None:
    waiting = node("w", finalizers=(FOREGROUND,), deleting=True)
    middle = node("m", ref("w"))
    known = graph(waiting, middle, node("leaf", ref("m")))
    assert propagation_for(middle, standing(middle, known, gone), known) == "Foreground"
    leaf = node("l", ref("ghost"))
    assert propagation_for(leaf, standing(leaf, known, gone), known) == "Background"
    stubborn = node("o", ref("ghost"), finalizers=("orphan",))
    assert propagation_for(stubborn, standing(stubborn, known, gone), known) == "Orphan"
