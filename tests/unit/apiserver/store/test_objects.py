"""What is kept of an object takes no more memory than it says."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from apiserver.store.objects import encode
from apiserver.store.store import Store
from minikube_py.api.resources import CONFIGMAPS
from minikube_py.api.types import Object


def test_stored_bytes_do_not_keep_the_buffer_that_they_were_written_in() -> None:
    obj = {"metadata": {"name": "a"}, "data": {"k": "v" * 5_000}}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [encode(obj, revision).data for revision in range(50)]
        each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert each < len(kept[0]) + 200


@pytest.mark.parametrize(
    "rest", [{}, {"data": {"metadata": "}"}}, {"kind": "K", "apiVersion": "v1", "immutable": None}]
)
def test_metadata_can_be_had_without_the_rest(rest: Object) -> None:
    maps = Store().collection(CONFIGMAPS)
    first = maps.create({**rest, "metadata": {"name": "a", "namespace": "n", "annotations": {"x": '"},{"'}}})
    gone = maps.delete(first)
    shown = maps.preview({**rest, "metadata": {"name": "a"}}, None)
    for stored in (first, gone, shown):
        assert orjson.loads(stored.metadata) == stored.load()["metadata"]
        assert list(stored.load()) == ["metadata", *(name for name in rest if name not in ("kind", "apiVersion"))]
