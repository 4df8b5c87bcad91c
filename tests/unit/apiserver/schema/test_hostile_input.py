"""Whatever JSON arrives, in whatever kind: it is read or refused, and nothing else ever happens."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from apiserver.schema import jsontext
from apiserver.schema.managedfields.manager import Author, FieldManagement
from apiserver.schema.patching import Patcher
from apiserver.schema.schema import JSON, YAML, FieldValidation, Kind, Schema, kind_of
from minikube_py.api import resources
from minikube_py.api.errors import StatusError
from minikube_py.api.patch import PatchKind
from minikube_py.api.resources import Resource

SCHEMA = Schema.load()
PATCHER = Patcher(SCHEMA)
FIELDS = FieldManagement(SCHEMA.model, SCHEMA.completer)
SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1 << 40,
    1 << 70,
    "",
    "x",
    "1",
    "500m",
    "é\u2028",
    "2024-01-01T00:00:00Z",
]
DIRECTIVES = ["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", ""]


class Noise:
    """Random JSON that mostly speaks the kind's own field names."""

    def __init__(self, seed: int, kind: Kind) -> None:
        self.random = random.Random(f"{seed} {kind}")
        self.kind = kind
        name = SCHEMA.model.kind(*kind)
        assert name is not None
        self.struct = SCHEMA.model.struct(name)

    def value(self, struct: Any, depth: int) -> Any:
        choice = self.random.random()
        if depth <= 0 or choice < 0.25:
            return self.random.choice(SCALARS)
        if choice < 0.4:
            return [self.value(struct, depth - 1) for _ in range(self.random.randrange(3))]
        return self.object(struct, depth)

    def object(self, struct: Any, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for _ in range(self.random.randrange(6)):
            if struct is None or not struct.fields or self.random.random() < 0.15:
                result[self.random.choice([*DIRECTIVES, "Name", "name", "x"])] = self.value(None, depth - 1)
                continue
            field = self.random.choice(list(struct.fields.values()))
            result[field.name] = self._field(field.type, depth)
        return result

    def _field(self, kind: Any, depth: int) -> Any:
        if self.random.random() < 0.1:
            return self.value(None, 2)
        inner, lists = kind, 0
        while inner.element is not None:
            inner, lists = inner.element, lists + 1
        struct = SCHEMA.model.struct(inner.name) if inner.form.value == "struct" else None
        item = self.object(struct, depth - 1) if struct and depth > 0 else self.random.choice(SCALARS)
        if not lists:
            return item
        return [item, copy.deepcopy(item)] if kind.form.value == "list" else {"a": item}


@pytest.mark.parametrize("resource", resources.BUILTIN, ids=lambda resource: resource.group_resource)
def test_bodies_patches_and_applies(resource: Resource) -> None:
    kind = kind_of(resource)
    name = SCHEMA.model.of_resource(resource).name
    base: dict[str, Any] = {"metadata": {"name": "x"}}
    live = SCHEMA.decode(base, resource).object
    SCHEMA.complete(live, resource)
    author = Author(manager="m", api_version=resource.api_version, time="2024-01-01T00:00:00Z")
    for seed in range(40):
        noise = Noise(seed, kind)
        given = noise.object(noise.struct, 5)
        given.pop("apiVersion", None), given.pop("kind", None)
        body = json.dumps(given).encode()
        before = copy.deepcopy(live)
        try:
            decoded = SCHEMA.decode_body(body, JSON, resource).object
            SCHEMA.complete(decoded, resource)
            again = SCHEMA.decode(decoded, resource, FieldValidation.STRICT).object
            SCHEMA.complete(again, resource)
            assert again == decoded, "the wire form is stable"
        except StatusError as error:
            assert error.status_code == 400
        for patch_kind in (PatchKind.MERGE, PatchKind.STRATEGIC):
            _try_patch(patch_kind, body, live, resource)
        _try_apply(name, live, jsontext.parse(body), author)
        assert live == before


def _try_patch(kind: PatchKind, body: bytes, live: Any, resource: Resource) -> None:
    try:
        patched = PATCHER.apply(kind, body, live, resource).object
    except StatusError as error:
        assert error.status_code in (400, 422)
    else:
        SCHEMA.complete(patched, resource)


def _try_apply(name: str, live: Any, given: Any, author: Author) -> None:
    config = {**given, "apiVersion": author.api_version}
    try:
        applied = FIELDS.apply(name, live, config, author, force=True)
        again = FIELDS.apply(name, applied, config, author, force=False)
    except StatusError:
        return
    if applied["metadata"]["managedFields"]:
        assert again == applied, "applying the same again changes nothing"


@pytest.mark.parametrize("media_type", [JSON, YAML])
def test_bytes(media_type: str) -> None:
    noise = random.Random(3)
    meta = b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},'
    good = bytearray(meta + b' "spec": {"containers": [{"name": "b"}]}}')
    for _ in range(1500):
        body = bytearray(good)
        for _ in range(noise.randrange(1, 4)):
            body[noise.randrange(len(body))] = noise.randrange(256)
        try:
            SCHEMA.decode_body(bytes(body), media_type, resources.PODS)
        except StatusError as error:
            assert error.status_code == 400
