"""Unused images go when the disk fills: the kubelet's image garbage collection, for what this node has pulled itself.

An engine belongs to its machine, not to the cluster: images that somebody else has put there are nobody's to remove. So
every pull of an image that was not there leaves a record (``PulledImages``), and only recorded images are collected;
`minik down` removes them by the same records. Thresholds and order are the kubelet's (``image_gc_manager.go``): above
the high threshold the images not used for longest go first, until the low one is reached; none that is in use, none
that is younger than two minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from agent.runtime.protocol import ImageInfo, ImageStore, RuntimeFault
from minikube_py.aio.clock import Clock

_log = logging.getLogger(__name__)

HIGH_PERCENT: Final = 85
LOW_PERCENT: Final = 80
MINIMUM_AGE: Final = timedelta(minutes=2)
PERIOD_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class ImageUse:
    """When an image was first seen, and when it was last in use (None: not since)."""

    first_seen: datetime
    last_used: datetime | None = None


class PulledImages:
    """Which images of the engine this node has pulled: a file each, so that a new agent and `minik down` know them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, image: ImageInfo, name: str) -> None:
        """Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file(image.id).write_text(json.dumps({"id": image.id, "name": name}))

    def __contains__(self, image_id: str) -> bool:
        return self._file(image_id).exists()

    def forget(self, image_id: str) -> None:
        self._file(image_id).unlink(missing_ok=True)

    def _file(self, image_id: str) -> Path:
        return self._directory / f"{image_id.replace(':', '-')}.json"


class ImageCollector:
    """Looks every five minutes. ``in_use`` tells the ids of the images that containers have; ``disk`` the capacity and
    the free bytes where the images are."""

    def __init__(
        self,
        *,
        images: ImageStore,
        pulled: PulledImages,
        in_use: Callable[[], Awaitable[set[str]]],
        disk: Callable[[], tuple[int, int]],
        clock: Clock,
    ) -> None:
        self._images = images
        self._pulled = pulled
        self._in_use = in_use
        self._disk = disk
        self._clock = clock
        self._uses: dict[str, ImageUse] = {}

    async def run(self) -> None:
        """For ever. An engine that is away is asked again the next time."""
        while True:
            with contextlib.suppress(RuntimeFault, OSError):
                await self.collect()
            await self._clock.sleep(PERIOD_SECONDS)

    async def collect(self) -> list[str]:
        """One round; the ids of what was removed. Raises RuntimeFault, OSError."""
        now = self._clock.now()
        used = await self._in_use()
        mine = [image for image in await self._images.list_images() if image.id in self._pulled]
        self._uses = {image.id: _seen(self._uses.get(image.id), now, used=image.id in used) for image in mine}
        wanted = bytes_to_free(*await asyncio.to_thread(self._disk))
        removed: list[str] = []
        for image in in_order(mine, self._uses, now):
            if wanted <= 0:
                break
            await self._images.remove(image.id)
            self._pulled.forget(image.id)
            removed.append(image.id)
            wanted -= image.size_bytes
        if wanted > 0:
            _log.warning("the disk of the images is too full, and %d bytes more cannot be had from unused ones", wanted)
        return removed


def bytes_to_free(capacity: int, available: int) -> int:
    """0 below the high threshold; above it what is missing to the low one."""
    available = min(available, capacity)
    if not capacity or 100 - available * 100 // capacity < HIGH_PERCENT:
        return 0
    return capacity * (100 - LOW_PERCENT) // 100 - available


def in_order(images: Iterable[ImageInfo], uses: Mapping[str, ImageUse], now: datetime) -> list[ImageInfo]:
    """What may go, the longest unused first."""
    idle = [
        image for image in images if uses[image.id].last_used != now and now - uses[image.id].first_seen >= MINIMUM_AGE
    ]
    return sorted(idle, key=lambda image: (uses[image.id].last_used or uses[image.id].first_seen, image.id))


def disk_of(path: Path) -> tuple[int, int]:
    """Capacity and free bytes of the file system that ``path`` will be on. Raises OSError."""
    while not path.exists():
        path = path.parent
    told = os.statvfs(path)
    return told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize


def _seen(before: ImageUse | None, now: datetime, *, used: bool) -> ImageUse:
    known = before or ImageUse(first_seen=now)
    return replace(known, last_used=now) if used else known
