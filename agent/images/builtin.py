"""The images that need no archive: both show the host's own tools, read-only, below a fresh root."""

from __future__ import annotations

from agent.images.model import LocalImage
from agent.runtime.protocol import ImageInfo

ECHO = "minik.local/echo:latest"
HOST = "minik.local/host:latest"


def builtin_images() -> list[LocalImage]:
    """``echo`` answers on every declared port; ``host`` runs whatever the pod's command names."""
    return [
        LocalImage(ImageInfo(id="minik:echo", names=(ECHO,), size_bytes=0), rootfs="", echo=True),
        LocalImage(ImageInfo(id="minik:host", names=(HOST,), size_bytes=0, command=("/bin/sh",)), rootfs=""),
    ]
