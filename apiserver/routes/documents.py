"""Everything served that is not a resource: ``/version``, discovery and OpenAPI."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Mapping

import orjson
from aiohttp import web

from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer, Header
from apiserver.schema.discovery import Discovery, Document
from apiserver.schema.openapi import OpenAPI, Packed, Redirect
from minikube_py.api.errors import MethodNotAllowed
from minikube_py.api.resources import KUBERNETES_VERSION


def version_document() -> bytes:
    """The body of ``/version``."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return orjson.dumps(
        {
            "major": major,
            "minor": minor,
            "emulationMajor": major,
            "emulationMinor": minor,
            "gitVersion": KUBERNETES_VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": f"python{platform.python_version()}",
            "compiler": platform.python_implementation(),
            "platform": f"linux/{'amd64' if platform.machine() == 'x86_64' else platform.machine()}",
        }
    )


def index_document(paths: Iterable[str]) -> bytes:
    """The body of ``/``: every path that can be asked for, and those above it."""
    found = {"/healthz", "/livez", "/metrics", "/metrics/slis", "/openapi/v2", "/openapi/v3", "/readyz", *paths}
    groups = {path.rpartition("/")[0] for path in found if path.startswith(("/api/", "/apis/"))}
    return orjson.dumps({"paths": sorted(found | groups | {"/api", "/apis"})})


class Documents:
    """Answers for paths outside the resources.

    ``fixed`` are documents that never change, by path; ``live`` are made at every question.
    """

    def __init__(
        self,
        discovery: Discovery,
        openapi: OpenAPI,
        fixed: Mapping[str, bytes],
        live: Mapping[str, Callable[[RequestInfo], Answer]],
    ) -> None:
        self._live = live
        self._discovery = discovery
        self._openapi = openapi
        self._fixed = {"/version": version_document(), **fixed}

    async def answer(self, info: RequestInfo, request: web.BaseRequest) -> Answer | None:
        """The document at a path, None where there is none."""
        fixed = self._fixed.get(info.path.rstrip("/"))
        if fixed is not None:
            return Answer(200, fixed)
        if info.path in ("/", "/index.html"):
            return Answer(200, index_document([*self._fixed, *self._live, *self._openapi.paths()]))
        if info.path in self._live:
            return self._live[info.path](info)
        if info.path.startswith("/openapi/"):
            return await _openapi_answer(self._openapi, info, request)
        document = self._discovery.answer(info.path, request.headers.get("Accept", ""))
        if document is None:
            return None
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed()
        return document_answer(document, request.headers.get("If-None-Match", ""))


async def _openapi_answer(openapi: OpenAPI, info: RequestInfo, request: web.BaseRequest) -> Answer | None:
    """Building a document takes up to a fifth of a second: in a thread, so that others get their answers meanwhile."""
    known_hash = info.parameter("hash")
    found = await asyncio.to_thread(openapi.answer, info.path, request.headers.get("Accept", ""), known_hash)
    if isinstance(found, Redirect):
        return Answer(301, b"", b"text/plain", (("Location", found.location),))
    if found is None:
        return None
    caching = (("Cache-Control", "public, immutable"),) if known_hash else ()
    return _packed_answer(found, request, caching)


def _packed_answer(packed: Packed, request: web.BaseRequest, headers: tuple[Header, ...]) -> Answer:
    """A compressed document, as it is for clients that take gzip."""
    content_type, tag = packed.content_type.encode(), packed.etag
    tags: tuple[Header, ...] = (("ETag", tag), ("Vary", "Accept, Accept-Encoding"), *headers)
    if request.headers.get("If-None-Match", "") == tag:
        return Answer(304, b"", content_type, tags)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Answer(200, packed.compressed, content_type, (*tags, ("Content-Encoding", "gzip")))
    return Answer(200, packed.plain, content_type, tags)


def document_answer(document: Document, known: str) -> Answer:
    """A document, or 304 where the client has it already."""
    content_type = document.content_type.encode()
    if not document.etag:
        return Answer(200, document.body, content_type)
    headers: tuple[Header, ...] = (("ETag", document.etag), ("Vary", "Accept"))
    if known == document.etag:
        return Answer(304, b"", content_type, headers)
    return Answer(200, document.body, content_type, headers)
