"""Image volumes (KEP-4639): the files of an image, read-only, beside a container made from another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from agent.pods.volumes.errors import VolumeError
from agent.runtime.protocol import ImageFault, ImageStore
from minikube_py.api.types import Object


class ImageVolumes:
    """Finds the files of images. ``secrets`` are the pull secrets of a pod."""

    def __init__(self, *, images: ImageStore, secrets: Callable[[Object], Awaitable[Sequence[Object]]]) -> None:
        self._images = images
        self._secrets = secrets

    async def path(self, pod: Object, source: dict[str, Any]) -> Path:
        """Where the image's files are on this machine. Raises VolumeError with the reason of the refusal."""
        reference, policy = str(source.get("reference") or ""), str(source.get("pullPolicy") or "IfNotPresent")
        try:
            secrets = await self._secrets(pod)
            if policy != "Always" and not await self._images.accessible(reference, secrets):
                if policy == "Never":
                    message = f'Container image "{reference}" is not present with pull policy of Never'
                    raise ImageFault("ErrImageNeverPull", message)
                policy = "Always"  # it is here, and not for this pod: the registry decides
            return await self._images.directory(reference, pull_policy=policy, pull_secrets=secrets)
        except ImageFault as fault:
            raise VolumeError(f"{fault.reason}: {fault.message}") from fault
