"""One image of one registry, by the OCI Distribution Specification 1.1: tokens, manifests, blobs.

Everything that is asked for by digest is checked against it, so a registry can refuse but not deceive.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp

from agent.images.credentials import Credentials
from agent.images.model import Reference
from agent.runtime.protocol import ImageFault

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT: Final = ", ".join((*INDEXES, *_MANIFESTS))
_LARGEST_DOCUMENT: Final = 4 << 20
_CHUNK: Final = 256 * 1024
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_HUB: Final = "docker.io"
_HUB_HOST: Final = "registry-1.docker.io"


class Refused(ImageFault):
    """The registry wants somebody else, or knows no such image."""


class Registry:
    """A conversation about one repository, as one user (or nobody)."""

    def __init__(self, session: aiohttp.ClientSession, reference: Reference, credentials: Credentials | None) -> None:
        self._session = session
        self._reference = reference
        self._credentials = credentials
        self._authorization = ""
        host = _HUB_HOST if reference.host == _HUB else reference.host
        self._base = f"{_scheme(host)}://{host}/v2/{reference.repository}"

    async def manifest(self, wanted: str) -> tuple[str, str, dict[str, Any]]:
        """Digest, media type and content of the manifest or index with this tag or digest. Raises ImageFault."""
        data, response = await self._document(f"{self._base}/manifests/{wanted}", {"Accept": _ACCEPT})
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if wanted.startswith("sha256:") and digest != wanted:
            raise ImageFault("ErrImagePull", f"the registry answers {wanted} with other content ({digest})")
        content = _object(data)
        return digest, str(content.get("mediaType") or response.content_type), content

    async def document(self, digest: str) -> bytes:
        """A small blob. Raises ImageFault."""
        data, _ = await self._document(f"{self._base}/blobs/{digest}", {})
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise ImageFault("ErrImagePull", f"blob {digest} arrived with other content")
        return data

    async def blob(self, digest: str) -> AsyncIterator[bytes]:
        """A blob in pieces. Raises ImageFault; what has been yielded before is then worthless."""
        found = hashlib.sha256()
        async for piece in self._pieces(f"{self._base}/blobs/{digest}"):
            found.update(piece)
            yield piece
        if f"sha256:{found.hexdigest()}" != digest:
            raise ImageFault("ErrImagePull", f"layer {digest} arrived with other content or cut short")

    async def _pieces(self, url: str) -> AsyncIterator[bytes]:
        async with await self._get(url, {}) as response:
            async for piece in response.content.iter_chunked(_CHUNK):
                yield piece

    async def _document(self, url: str, headers: Mapping[str, str]) -> tuple[bytes, aiohttp.ClientResponse]:
        async with await self._get(url, headers) as response:
            data = await response.content.read(_LARGEST_DOCUMENT + 1)
            while len(data) <= _LARGEST_DOCUMENT and (more := await response.content.read(_LARGEST_DOCUMENT)):
                data += more
        if len(data) > _LARGEST_DOCUMENT:
            raise ImageFault("ErrImagePull", f"{url} is larger than any manifest")
        return data, response

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """A good answer. A challenge is taken up once. Raises ImageFault, aiohttp.ClientError."""
        for _ in range(2):
            own = {"Authorization": self._authorization} if self._authorization else {}
            response = await self._session.get(url, headers={**headers, **own})
            if response.status == 401 and not own and await self._take_up(response):
                response.release()
                continue
            if response.status != 200:
                raise await _refusal(self._reference, response)
            return response
        raise Refused("ErrImagePull", _denied(self._reference))

    async def _take_up(self, response: aiohttp.ClientResponse) -> bool:
        """Whether there is an answer to the challenge (RFC 9110, 11.6.1; Docker's token authentication)."""
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        told = dict(_PARAMETER.findall(rest))
        if scheme.lower() == "basic":
            self._authorization = self._basic()
        elif scheme.lower() == "bearer" and told.get("realm"):
            self._authorization = f"Bearer {await self._token(told)}"
        return bool(self._authorization)

    async def _token(self, told: Mapping[str, str]) -> str:
        query = {name: told[name] for name in ("service", "scope") if name in told}
        query.setdefault("scope", f"repository:{self._reference.repository}:pull")
        headers = {"Authorization": basic} if (basic := self._basic()) else {}
        async with self._session.get(told["realm"], params=query, headers=headers) as response:
            if response.status != 200:
                raise Refused("ErrImagePull", _denied(self._reference))
            answer = _object(await response.read())
        return str(answer.get("token") or answer.get("access_token") or "")

    def _basic(self) -> str:
        if self._credentials is None:
            return ""
        pair = f"{self._credentials.username}:{self._credentials.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


async def _refusal(reference: Reference, response: aiohttp.ClientResponse) -> ImageFault:
    status, reason = response.status, response.reason
    response.release()
    if status in (401, 403):
        return Refused("ErrImagePull", _denied(reference))
    if status == 404:
        return Refused("ErrImagePull", f"{reference.host}/{reference.repository}:{reference.wanted}: not found")
    return ImageFault("ErrImagePull", f"{reference.host} answers {status} {reason}")


def _denied(reference: Reference) -> str:
    return (f"pull access denied for {reference.host}/{reference.repository}, repository does not exist or may require "
            "authorization: authorization failed")  # fmt: skip


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ImageFault("ErrImagePull", f"the registry does not answer in JSON: {error}") from error
    if not isinstance(found, dict):
        raise ImageFault("ErrImagePull", "the registry answers with no JSON object")
    return found


def _scheme(host: str) -> str:
    """Registries on this machine are spoken to in the clear, as container engines do."""
    name = host.rpartition(":")[0] or host
    return "http" if name == "localhost" or name.startswith("127.") else "https"
