"""An image as the embedded runtime needs it, and the names by which people ask for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.runtime.protocol import ImageFault, ImageInfo

_NAME: Final = re.compile(
    r"(?:(?P<domain>(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::[0-9]+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?"
)


@dataclass(frozen=True, slots=True)
class LocalImage:
    """``rootfs`` is a directory that is never changed ("": the host's tools); ``echo`` means the built-in server."""

    info: ImageInfo
    rootfs: str
    echo: bool = False


def canonical_name(image: str) -> str:
    """``nginx`` -> ``docker.io/library/nginx:latest``, as container engines expand it. Raises ImageFault."""
    match = _NAME.fullmatch(image)
    if match is None:
        raise ImageFault("InvalidImageName", f'couldn\'t parse image name "{image}": invalid reference format')
    domain, path = match["domain"] or "", match["path"]
    if domain and "." not in domain and ":" not in domain and domain != "localhost":
        domain, path = "", f"{domain}/{path}"
    if not domain:
        domain, path = "docker.io", path if "/" in path else f"library/{path}"
    if match["digest"]:
        return f"{domain}/{path}@{match['digest']}"
    return f"{domain}/{path}:{match['tag'] or 'latest'}"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is to be had: a registry's ``host[:port]``, the repository in it, and a tag or a digest."""

    host: str
    repository: str
    tag: str
    digest: str

    @property
    def wanted(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    def by_digest(self, digest: str) -> str:
        """The canonical name of this very content."""
        return f"{self.host}/{self.repository}@{digest}"


def reference_of(name: str) -> Reference:
    """From a canonical name."""
    host, _, rest = name.partition("/")
    path, _, digest = rest.partition("@")
    repository, _, tag = path.partition(":")
    return Reference(host, repository, tag, digest)
