"""What holds after any sequence of updates and applies by several managers."""

from __future__ import annotations

import copy
import random
from typing import Any

import orjson
import pytest

from apiserver.schema.managedfields.atoms import Atom, Atoms
from apiserver.schema.managedfields.comparing import added, index_items, named_paths
from apiserver.schema.managedfields.fieldsets import FieldSet, difference, ordered, paths
from apiserver.schema.managedfields.manager import Author, FieldManagement
from apiserver.schema.schema import FieldValidation, Schema
from minikube_py.api import resources
from minikube_py.api.errors import Conflict

SCHEMA = Schema.load()
FIELDS = FieldManagement(SCHEMA.model, SCHEMA.completer)
RESOURCE = resources.DEPLOYMENTS
NAME = SCHEMA.model.of_resource(RESOURCE).name
ATOM = Atoms(SCHEMA.model).root(NAME)


def configuration(noise: random.Random) -> dict[str, Any]:
    """Some of a Deployment: maps, sets, lists by one key and by two, atomic values, nested structs."""

    def some(values: list[Any], most: int = 3) -> list[Any]:
        return noise.sample(values, noise.randrange(min(most, len(values)) + 1))

    def container(name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"name": name, "image": noise.choice(["i1", "i2"])}
        if noise.random() < 0.5:
            protocols = some([("TCP", 80), ("UDP", 80), ("TCP", 81)])
            found["ports"] = [{"containerPort": port, "protocol": protocol} for protocol, port in protocols]
        if noise.random() < 0.5:
            found["env"] = [{"name": key, "value": noise.choice("xy")} for key in some(["A", "B", "C"])]
        if noise.random() < 0.3:
            found["command"] = some(["a", "b"])
        return found

    meta: dict[str, Any] = {"name": "d", "namespace": "n"}
    if labels := {key: noise.choice("12") for key in some(["a", "b", "c"])}:
        meta["labels"] = labels
    if noise.random() < 0.5:
        meta["finalizers"] = some(["x/a", "x/b", "x/c"])
    template = {"spec": {"containers": [container(name) for name in some(["c1", "c2", "c3"])]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"s": noise.choice("12")}}, "template": template}
    if noise.random() < 0.5:
        spec["replicas"] = noise.randrange(3)
    if noise.random() < 0.4:
        spec["strategy"] = {"type": noise.choice(["Recreate", "RollingUpdate"])}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def wire(obj: Any) -> Any:
    decoded = SCHEMA.decode(copy.deepcopy(obj), RESOURCE, FieldValidation.STRICT).object
    SCHEMA.complete(decoded, RESOURCE)
    return decoded


def find(atom: Atom, value: Any, path: tuple[str, ...]) -> tuple[bool, Any]:
    """Whether a path is in an object, and what is there."""
    for element in path:
        if element.startswith("f:"):
            name = element[2:]
            if not isinstance(value, dict) or name not in value:
                return False, None
            child = atom.child(name)
            assert child is not None
            atom, value = child, value[name]
        else:
            items = index_items(atom, value).get(element)
            if not items:
                return False, None
            assert atom.element is not None
            atom, value = atom.element, items[0]
    return True, value


def managed(obj: Any) -> dict[tuple[str, str], FieldSet]:
    entries = obj["metadata"].get("managedFields") or ()
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] or None for entry in entries}


def check_ownership(obj: Any) -> None:
    everything = added(ATOM, obj)
    for owner, fields in managed(obj).items():
        text = orjson.dumps(fields)
        assert text == orjson.dumps(ordered(orjson.loads(text))), f"what {owner} owns is out of order"
        missing = [
            path
            for path in paths(difference(fields, everything))
            if not find(ATOM, obj, path)[0] and _matters(obj, path)
        ]
        assert not missing, f"{owner} owns what is not there: {missing}"


def _matters(obj: Any, path: tuple[str, ...]) -> bool:
    """An owned path may be absent where it stands for an empty value that the wire form leaves out."""
    return find(ATOM, obj, path[:-1])[0] and path[-1].startswith(("k:", "v:"))


@pytest.mark.parametrize("seed", range(80))
def test_sequences(seed: int) -> None:
    noise = random.Random(seed)
    obj: Any = None
    for second in range(14):
        manager = noise.choice("abc")
        author = Author(manager=manager, api_version="apps/v1", time=f"2024-01-01T00:00:{second:02}Z")
        config = configuration(noise)
        before = copy.deepcopy((obj, config))
        if noise.random() < 0.4:
            new = wire(config)
            FIELDS.update(NAME, obj, new, author)
            obj_after = new
        else:
            obj_after = _apply(noise, obj, config, author)
        assert before == (obj, config)
        obj = obj_after
        if obj is not None:
            check_ownership(obj)


def _apply(noise: random.Random, obj: Any, config: Any, author: Author) -> Any:
    force = noise.random() < 0.5
    try:
        applied = wire(FIELDS.apply(NAME, obj, config, author, force=force))
    except Conflict as conflict:
        assert not force
        assert conflict.causes
        return obj
    _check_applied(obj, applied, config, author, force=force)
    again = wire(FIELDS.apply(NAME, applied, config, author, force=False))
    FIELDS.settle(applied, again)
    assert again == applied, "applying the same again changes nothing"
    return applied


def _check_applied(obj: Any, applied: Any, config: Any, author: Author, *, force: bool) -> None:
    minimal = wire(config)
    for path in paths(named_paths(ATOM, config)):
        there, wanted = find(ATOM, minimal, path)
        if there:
            assert find(ATOM, applied, path)[0], f"{path} was applied and is not there"
            if not isinstance(wanted, dict | list):
                assert find(ATOM, applied, path)[1] == wanted
    assert managed(applied)[(author.manager, "Apply")] == named_paths(ATOM, config)
    if obj is None or force:
        return
    for owner, fields in managed(obj).items():
        for path in paths(fields) if owner != (author.manager, "Apply") else ():
            there, value = find(ATOM, obj, path)
            if not there or isinstance(value, dict | list) or _item_is_gone(applied, path):
                continue
            assert find(ATOM, applied, path) == (True, value), f"{path} of {owner} changed without force"


def _item_is_gone(obj: Any, path: tuple[str, ...]) -> bool:
    """Who owns a field of an item does not own the item: it goes with its last owner."""
    items = [path[: at + 1] for at, element in enumerate(path) if element.startswith("k:")]
    return any(not find(ATOM, obj, item)[0] for item in items)
