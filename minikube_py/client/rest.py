"""The typed door to an API server: one method per verb, objects in and out, errors as ``api.errors`` has them."""

from __future__ import annotations

import ssl as tls_module
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import orjson

from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.api.errors import Gone
from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.patch import PatchKind as PatchKind
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object
from minikube_py.client.access import Access, Credential, TokenSource, access_from_config
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.transport import BROKEN, Transport
from minikube_py.client.watch import WatchDecoder, WatchEvent
from minikube_py.config.parts import ApiAccess

#: A watch is asked to end by itself after this long (upstream's reflector: 5 to 10 minutes) …
WATCH_SECONDS = 300
#: … and is given up when it has not done so this much later: the server hangs.
WATCH_GRACE_SECONDS = 15.0
PAGE_SIZE = 500


#: A list of RFC 6902 operations.
JsonPatch = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ObjectList:
    """All objects of a list, its pages joined, and the revision at which it was taken."""

    items: list[Object]
    resource_version: str


class Client:
    """One API server. Made anywhere, used on one event loop; ``close`` it, or use it in ``async with``.

    Every method raises a subclass of ``api.errors.StatusError`` for what the server refuses, and ConnectionFailed
    where there was no whole answer.
    """

    def __init__(
        self,
        server: str,
        *,
        ssl: tls_module.SSLContext | None = None,
        token: str | TokenSource | None = None,
        user_agent: str = "minik",
        clock: Clock | None = None,
        transport: Transport | None = None,
    ) -> None:
        source = token if callable(token) or token is None else (lambda: token)
        self._clock = clock or SystemClock()
        self._transport = transport or Transport(Access(server, ssl, source), user_agent=user_agent, clock=self._clock)

    @classmethod
    def from_access(
        cls, access: ApiAccess | Access, *, user_agent: str = "minik", clock: Clock | None = None
    ) -> Client:
        """The client of a part (its configured access) or of a person (a kubeconfig's)."""
        known = access if isinstance(access, Access) else access_from_config(access)
        return cls(known.server, ssl=known.tls, token=known.token, user_agent=user_agent, clock=clock)

    def acting_as(self, credential: Credential, access: Access, *, user_agent: str) -> Client:
        """A client with a credential of its own in this one's pool of connections; it ends with this one.

        ``access`` should hold no client certificate: that would speak louder than a token.
        """
        transport = self._transport.acting_as(credential, access, user_agent=user_agent)
        return Client(self.server, clock=self._clock, transport=transport)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; watches in progress end with ConnectionFailed."""
        await self._transport.close()

    @property
    def server(self) -> str:
        """The server's URL."""
        return self._transport.server

    # Reading

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object:
        """One object."""
        return await self._json("GET", _path(resource, namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        resource_version: str = "",
    ) -> ObjectList:
        """All objects, fetched ``limit`` at a time (0: in pages of 500) and joined.

        Pages come from one snapshot. Where it expires between two of them, the list is taken again in one piece.
        """
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
        }
        path = _path(resource, namespace)
        items: list[Object] = []
        token = ""
        while True:
            try:
                page = await self._json("GET", path, {**query, "limit": str(limit or PAGE_SIZE), "continue": token})
            except Gone:
                if not token:
                    raise
                page = await self._json("GET", path, query)
                items.clear()
            items += _typed(page.get("items") or (), resource)
            meta = page.get("metadata") or {}
            token = meta.get("continue") or ""
            if not token:
                return ObjectList(items, str(meta.get("resourceVersion") or ""))
            query["resourceVersion"] = ""

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_seconds: int = WATCH_SECONDS,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after ``resource_version`` until the server ends the stream, after ``timeout_seconds`` at the latest.

        Leave it early through ``contextlib.aclosing``. Raises Gone where the revision has left the history.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "allowWatchBookmarks": "true" if bookmarks else "",
            "timeoutSeconds": str(timeout_seconds),
        }
        response = await self._transport.stream(_path(resource, namespace), query)
        deadline = self._clock.call_later(timeout_seconds + WATCH_GRACE_SECONDS, response.close)
        try:
            decoder = WatchDecoder()
            async for chunk in response.content.iter_any():
                for event in decoder.feed(chunk):
                    yield event
            if decoder.pending:
                raise ConnectionFailed(f"{self.server}: the watch broke off in the middle of an event")
        except BROKEN as error:
            raise self._transport.broken(f"watching {resource.plural}", error) from error
        finally:
            deadline.cancel()
            response.close()

    async def raw(self, path: str, *, query: Mapping[str, str] | None = None, method: str = "GET") -> bytes:
        """The body at a path that holds no object: ``/readyz``, ``/metrics``, a pod's log."""
        return await self._transport.request(method, path, query)

    # Writing

    async def create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """POST a new object (into its own namespace where none is given), or a subresource of ``name``."""
        path = _path(resource, namespace or namespace_of(obj), name, subresource)
        return await self._json("POST", path, {"dryRun": "All" if dry_run else ""}, body=obj)

    async def update(self, resource: Resource, obj: Object, *, subresource: str | None = None) -> Object:
        """PUT the whole object. Raises Conflict where it carries an older resourceVersion than the server's."""
        return await self._json("PUT", _path(resource, namespace_of(obj), name_of(obj), subresource), body=obj)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Object | JsonPatch,
        namespace: str | None = None,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str | None = None,
        field_manager: str | None = None,
        force: bool = False,
    ) -> Object:
        """PATCH. ``APPLY`` is server-side apply: it needs a field manager, and ``force`` takes fields from others."""
        query = {"fieldManager": field_manager or "", "force": "true" if force else ""}
        path = _path(resource, namespace, name, subresource)
        return await self._json("PATCH", path, query, body=patch, content_type=kind.value)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace_seconds: int | None = None,
        preconditions: Mapping[str, str] | None = None,
    ) -> Object:
        """Ask for deletion; the answer is the object where it lives on for a while, else a Status.

        ``preconditions``: ``uid`` and ``resourceVersion`` that must hold, or Conflict is raised.
        """
        body = _delete_options(propagation, grace_seconds, preconditions)
        return await self._json("DELETE", _path(resource, namespace, name), body=body)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        """Ask for the deletion of everything that the selectors take."""
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        body = _delete_options(propagation, grace_seconds, None)
        return await self._json("DELETE", _path(resource, namespace), query, body=body)

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Object | JsonPatch | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = orjson.dumps(body) if body is not None else None
        answer = await self._transport.request(method, path, query, data, content_type)
        try:
            parsed = orjson.loads(answer)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ConnectionFailed(f"{self.server}: {method} {path}: the answer is no JSON object: {answer[:80]!r}")
        return parsed


def _path(
    resource: Resource, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    return quote(resource.path(namespace, name, subresource), safe="/:")


def _typed(items: Any, resource: Resource) -> list[Object]:
    """List items come without apiVersion and kind; watch events have them. Objects look the same from either road."""
    for item in items:
        item.setdefault("apiVersion", resource.api_version)
        item.setdefault("kind", resource.kind)
    return list(items)


def _delete_options(
    propagation: str | None, grace_seconds: int | None, preconditions: Mapping[str, str] | None
) -> Object | None:
    options: Object = {}
    if propagation is not None:
        options["propagationPolicy"] = propagation
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    if preconditions is not None:
        options["preconditions"] = dict(preconditions)
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None
