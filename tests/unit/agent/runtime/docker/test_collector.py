"""Which images go, and when; the thresholds are the kubelet's."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.runtime.docker.collector import ImageCollector, PulledImages, bytes_to_free
from agent.runtime.protocol import ImageInfo
from minikube_py.aio.clock import FakeClock


class Images:
    """An engine's images, of one size."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)

    async def list_images(self) -> list[ImageInfo]:
        return [ImageInfo(each, (f"{each}:1",), 10) for each in self.ids]

    async def remove(self, image_id: str) -> None:
        self.ids.remove(image_id)


@pytest.mark.parametrize(
    ("capacity", "available", "expected"),
    [(1000, 500, 0), (1000, 160, 0), (1000, 150, 50), (1000, 0, 200), (0, 0, 0), (1000, 2000, 0)],
)
def test_how_much_has_to_go(capacity: int, available: int, expected: int) -> None:
    assert bytes_to_free(capacity, available) == expected


@pytest.mark.parametrize(
    ("available", "gone"), [(60, []), (15, ["never"]), (5, ["never", "once"]), (0, ["never", "once"])]
)
async def test_the_longest_unused_go_first(tmp_path: Path, available: int, gone: list[str]) -> None:
    """Neither what is in use, nor what is young, nor what somebody else has put there."""
    images, clock, pulled = Images("used", "once", "never", "theirs"), FakeClock(), PulledImages(tmp_path / "pulled")
    for each in ("used", "once", "never", "young"):
        pulled.add(ImageInfo(each, (), 10), f"{each}:1")
    used, free = {"used", "once"}, [100]

    async def in_use() -> set[str]:
        return used

    collector = ImageCollector(
        images=images, pulled=pulled, in_use=in_use, disk=lambda: (100, free[0]), clock=clock  # type: ignore[arg-type]
    )  # fmt: skip
    assert await collector.collect() == []
    await clock.advance(300)
    used.discard("once")
    free[0] = available
    images.ids.append("young")
    assert await collector.collect() == gone
    assert set(images.ids) == {"used", "once", "never", "young", "theirs"} - set(gone)
    assert [each in pulled for each in gone] == [False] * len(gone)


async def test_a_new_agent_knows_what_was_pulled(tmp_path: Path) -> None:
    PulledImages(tmp_path).add(ImageInfo("sha256:1", (), 10), "x:1")
    assert "sha256:1" in PulledImages(tmp_path)
    assert "sha256:2" not in PulledImages(tmp_path)
