"""Lists in YAML, which are written item by item: the text is that of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pytest

from apiserver.registry.table import CREATED_AT_TABLE
from apiserver.routes.forms import JSONForm, PartialForm, PlainForm, TableForm
from apiserver.routes.reading import is_small, list_metadata, yaml_pieces, yaml_text
from apiserver.store.collection import Page
from apiserver.store.store import Store
from minikube_py.api.resources import CONFIGMAPS


def page(count: int, size: int = 10) -> Page:
    store = Store()
    maps = store.collection(CONFIGMAPS)
    for number in range(count):
        data = {"items": "[]\nitems: []\n", "text": "x" * size, "n": f"{number}"}
        maps.create({"metadata": {"name": f"m{number}", "namespace": "a"}, "data": data})
    return Page(maps.everything(), store.revision)


def forms() -> Iterator[JSONForm]:
    yield PlainForm(CONFIGMAPS)
    yield PartialForm(CONFIGMAPS)
    for include in ("Object", "Metadata", "None"):
        yield TableForm(CONFIGMAPS, "v1", include, CREATED_AT_TABLE, lambda: datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "form", list(forms()), ids=lambda form: f"{type(form).__name__} {getattr(form, 'include', '')}"
)
def test_a_list_in_yaml_is_the_text_of_the_whole(form: JSONForm) -> None:
    found = page(3)
    head = form.list_head(list_metadata(found))
    whole = orjson.loads(head + b",".join(form.item(stored) for stored in found.items) + b"]}")
    pieces = yaml_pieces(head + b"]}", form, found)
    assert b"".join(part for piece in pieces for part in piece).decode() == yaml_text(whole)


def test_what_is_small() -> None:
    assert is_small(())
    assert is_small(page(100).items)
    assert not is_small(page(100, 2_000).items)
