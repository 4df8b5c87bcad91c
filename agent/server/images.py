"""Images of the node over HTTP: what is there, and loading an archive (``minik image list``, ``minik image load``)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol, cast

import orjson
from aiohttp import web

from agent.runtime.protocol import ImageFault, ImageInfo, ImageStore
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)
_CHUNK = 256 * 1024


class LoadableImages(Protocol):
    """An image store that takes archives (not every runtime's does)."""

    async def load(self, chunks: AsyncIterator[bytes]) -> list[ImageInfo]:
        """Raises ImageFault for what is no archive, OSError where it cannot be kept."""
        ...


class ImageHandlers:
    """``on_change`` is called when the node has other images than before."""

    def __init__(self, *, images: ImageStore, on_change: Callable[[], None]) -> None:
        self._images = images
        self._on_change = on_change

    async def list_images(self, _: web.Request) -> web.Response:
        """GET /images"""
        return _answer(await self._images.list_images())

    async def load(self, request: web.Request) -> web.Response:
        """POST /images/load with a ``docker save`` or OCI archive as the body."""
        if not hasattr(self._images, "load"):
            raise web.HTTPNotImplemented(text="this node's container runtime does not take image archives")
        try:
            loaded = await cast(LoadableImages, self._images).load(request.content.iter_chunked(_CHUNK))
        except ImageFault as fault:
            raise web.HTTPBadRequest(text=fault.message) from fault
        except OSError as error:
            raise web.HTTPInsufficientStorage(text=f"the image cannot be kept: {error}") from error
        self._on_change()
        return _answer(loaded)


def _answer(images: list[ImageInfo]) -> web.Response:
    items: list[Object] = [
        {"id": image.id, "names": list(image.names), "sizeBytes": image.size_bytes} for image in images
    ]
    return web.Response(body=orjson.dumps({"images": items}), content_type="application/json")
