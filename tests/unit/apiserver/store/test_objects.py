"""What is kept of an object takes no more memory than it says."""

from __future__ import annotations

import tracemalloc

from apiserver.store.objects import encode


def test_stored_bytes_do_not_keep_the_buffer_that_they_were_written_in() -> None:
    obj = {"metadata": {"name": "a"}, "data": {"k": "v" * 5_000}}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [encode(obj, revision) for revision in range(50)]
        each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert each < len(kept[0]) + 200
