"""Which pods write too much, in the kubelet's words, and how much they have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.pods.eviction import DiskUse, excess, has_limits, tree_bytes
from tests.support.podstates import make_pod

LIMITED: dict[str, Any] = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
CACHE = {"name": "cache", "emptyDir": {"sizeLimit": "2Mi"}}
MEGABYTE = 1 << 20


def pod(*names: str, volumes: tuple[Any, ...] = ()) -> dict[str, Any]:
    return make_pod(*({"name": name, **LIMITED} for name in names), volumes=list(volumes))


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (DiskUse({"cache": 2 * MEGABYTE}, {}), None),
        (DiskUse({"cache": 2 * MEGABYTE + 1}, {}), 'Usage of EmptyDir volume "cache" exceeds the limit "2Mi". '),
    ],
)
def test_volumes(used: DiskUse, words: str | None) -> None:
    assert excess(make_pod(volumes=[CACHE]), used) == words


def test_containers_and_the_pod_as_a_whole() -> None:
    assert excess(pod("a"), DiskUse({}, {"a": MEGABYTE})) is None
    whole = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert excess(pod("a"), DiskUse({}, {"a": MEGABYTE + 1})) == whole
    assert excess(pod("a", volumes=(CACHE,)), DiskUse({"cache": MEGABYTE + 1}, {})) == whole
    one = 'Container a exceeded its local ephemeral storage limit "1Mi". '
    assert excess(pod("a", "b"), DiskUse({}, {"a": MEGABYTE + 1})) == one


def test_memory_and_what_is_not_limited_do_not_count() -> None:
    assert not has_limits(make_pod(volumes=[{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]))
    assert not has_limits(make_pod(volumes=[{"name": "m", "emptyDir": {}}]))
    assert has_limits(make_pod(volumes=[CACHE]))


def test_a_tree_is_measured_in_blocks_and_links_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "again").hardlink_to(tmp_path / "deep" / "file")
    (tmp_path / "link").symlink_to("/")
    assert 100_000 <= tree_bytes(tmp_path) < 200_000
    assert tree_bytes(tmp_path / "gone") == 0
