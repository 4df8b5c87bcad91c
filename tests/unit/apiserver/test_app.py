"""The process around the server: what garbage collections look at."""

from __future__ import annotations

import gc

from apiserver.app import short_collections


def test_a_full_collection_leaves_nothing_for_the_next_one() -> None:
    before = len(gc.callbacks)
    kept: list[list[int]] = []
    gc.disable()  # only the collections that are asked for
    try:
        with short_collections():
            assert gc.get_freeze_count() > 1_000
            kept += [[number] for number in range(500)]
            gc.collect()
            frozen = gc.get_freeze_count()
            assert not any(each is kept[0] for each in gc.get_objects())
            kept.clear()  # what is not part of a cycle goes as ever
            assert gc.get_freeze_count() <= frozen - 500
        assert len(gc.callbacks) == before
    finally:
        gc.enable()
        gc.unfreeze()
