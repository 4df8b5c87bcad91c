"""A scripted API server for tests: small, honest about revisions and watches, and able to fail on demand.

It keeps any object without looking at it. It is no model of validation or defaulting: tests that need those run against
the real API server.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from minikube_py.api.errors import AlreadyExists, Conflict, Gone, NotFound, StatusError, Timeout
from minikube_py.api.meta import key_of, name_of, namespace_of
from minikube_py.api.resources import Resource, ResourceTable
from minikube_py.api.selectors import parse_field_selector, parse_label_selector
from minikube_py.api.types import Object, ObjectKey

Filter = Callable[[Object], bool]


class FakeAPI:
    """In-memory objects behind real HTTP on a loopback port that stays the same across ``restart``."""

    def __init__(self, *, revision: int = 100) -> None:
        self.table = ResourceTable()
        self.objects: dict[Resource, dict[ObjectKey, Object]] = {}
        self.revision = revision
        self.oldest = revision
        self.history: list[tuple[int, Resource, str, Object]] = []
        #: (method, path, query) of every request, in order.
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        #: Answers used up before anything else, one per request: a StatusError to refuse, "hang" never to answer.
        self.faults: list[StatusError | str] = []
        self.page_size: int | None = None
        self._watchers: dict[asyncio.Queue[bytes | None], tuple[Resource, Filter]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> FakeAPI:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for queue in self._watchers:
            queue.put_nowait(None)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # What tests do to it

    def put(self, resource: Resource, obj: Object) -> Object:
        """Create or update an object as some other client would."""
        key = key_of(obj)
        known = self._of(resource).get(key)
        meta = {"uid": str(uuid.uuid4()), **(known or {}).get("metadata", {}), **obj.get("metadata", {})}
        return self._commit(resource, "MODIFIED" if known else "ADDED", {**obj, "metadata": meta})

    def remove(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """Delete an object as some other client would."""
        return self._commit(resource, "DELETED", self._of(resource)[ObjectKey(namespace, name)])

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        return self._of(resource).get(ObjectKey(namespace, name))

    def list(self, resource: Resource) -> list[Object]:
        return list(self._of(resource).values())

    def compact(self) -> None:
        """Forget the history: watches from before now get 410 Gone."""
        self.history.clear()
        self.oldest = self.revision

    def send(self, line: bytes) -> None:
        """Put raw bytes into every open watch."""
        for queue in self._watchers:
            queue.put_nowait(line)

    def end_watches(self) -> None:
        """End every open watch in good order."""
        for queue in self._watchers:
            queue.put_nowait(None)

    def break_watches(self) -> None:
        """Reset the connection of every open watch."""
        for queue in self._watchers:
            queue.put_nowait(b"\0reset")

    async def restart(self, *, revision: int, keep: bool = False) -> None:
        """Stop, forget (unless ``keep``), and come back on the same port counting from ``revision``."""
        await self.stop()
        if not keep:
            self.objects.clear()
        self.history.clear()
        self.revision = self.oldest = revision
        await self.start()

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watchers)

    # How it answers

    def _of(self, resource: Resource) -> dict[ObjectKey, Object]:
        return self.objects.setdefault(resource, {})

    def _commit(self, resource: Resource, kind: str, obj: Object) -> Object:
        self.revision += 1
        stored = {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
        stored["metadata"] = {**obj["metadata"], "resourceVersion": str(self.revision)}
        if kind == "DELETED":
            del self._of(resource)[key_of(obj)]
        else:
            self._of(resource)[key_of(obj)] = stored
        self.history.append((self.revision, resource, kind, stored))
        for queue, (watched, accepts) in self._watchers.items():
            if watched == resource and accepts(stored):
                queue.put_nowait(_line(kind, stored))
        return stored

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        try:
            if self.faults:
                fault = self.faults.pop(0)
                if isinstance(fault, StatusError):
                    raise fault
                await asyncio.Event().wait()
            return await self._answer(request)
        except StatusError as error:
            return web.json_response(error.to_status(), status=error.status_code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        resource, namespace, name, subresource = self._route(request.path)
        if name is None and request.method == "GET":
            accepts = _filter(request, namespace)
            if request.query.get("watch"):
                return await self._watch(request, resource, accepts)
            return web.json_response(self._list(request, resource, accepts))
        if name is None and request.method == "POST":
            return web.json_response(self._create(resource, namespace, await request.json()), status=201)
        key = ObjectKey(namespace or "", name or "")
        known = self._of(resource).get(key)
        if known is None:
            raise NotFound(f'{resource.group_resource} "{name}" not found')
        return web.json_response(await self._change(request, resource, known, subresource))

    async def _change(self, request: web.Request, resource: Resource, known: Object, subresource: str | None) -> Object:
        if request.method == "GET":
            return known
        if request.method == "DELETE":
            self._commit(resource, "DELETED", known)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        body = await request.json()
        if subresource == "binding":
            return self._commit(resource, "MODIFIED", _merge(known, {"spec": {"nodeName": body["target"]["name"]}}))
        if request.method == "PATCH":
            body = _merge(known, body)
        elif (
            body["metadata"].get("resourceVersion", known["metadata"]["resourceVersion"])
            != known["metadata"]["resourceVersion"]
        ):
            raise Conflict(
                "the object has been modified; please apply your changes to the latest version and try again"
            )
        if subresource == "status":
            body = {**known, "metadata": body.get("metadata") or {}, "status": body.get("status")}
        same = {**body, "metadata": {**body["metadata"], "resourceVersion": known["metadata"]["resourceVersion"]}}
        return known if same == known else self._commit(resource, "MODIFIED", same)

    def _create(self, resource: Resource, namespace: str | None, obj: Object) -> Object:
        meta = dict(obj.get("metadata") or {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        meta.setdefault("uid", str(uuid.uuid4()))
        if namespace:
            meta["namespace"] = namespace
        if ObjectKey(namespace or "", meta["name"]) in self._of(resource):
            raise AlreadyExists(f'{resource.group_resource} "{meta["name"]}" already exists')
        return self._commit(resource, "ADDED", {**obj, "metadata": meta})

    def _list(self, request: web.Request, resource: Resource, accepts: Filter) -> dict[str, Any]:
        found = [obj for obj in self._of(resource).values() if accepts(obj)]
        start = int(request.query.get("continue") or 0)
        if start and not self.history:
            raise Gone("The provided continue parameter is too old")
        size = self.page_size or len(found) or 1
        meta = {"resourceVersion": str(self.revision)}
        if "limit" in request.query and start + size < len(found):
            meta["continue"] = str(start + size)
            found = found[start : start + size]
        else:
            found = found[start:]
        items = [{key: value for key, value in obj.items() if key not in ("apiVersion", "kind")} for obj in found]
        return {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items}

    async def _watch(self, request: web.Request, resource: Resource, accepts: Filter) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion") or 0)
        if since > self.revision:
            raise Timeout(f"Too large resource version: {since}, current: {self.revision}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        if since < self.oldest:
            queue.put_nowait(_line("ERROR", Gone(f"too old resource version: {since} ({self.oldest})").to_status()))
            queue.put_nowait(None)
        for revision, watched, kind, obj in self.history:
            if revision > since and watched == resource and accepts(obj):
                queue.put_nowait(_line(kind, obj))
        self._watchers[queue] = (resource, accepts)
        try:
            while (line := await queue.get()) is not None:
                if line == b"\0reset":
                    assert request.transport is not None
                    request.transport.abort()
                    break
                await response.write(line)
        finally:
            del self._watchers[queue]
        return response

    def _route(self, path: str) -> tuple[Resource, str | None, str | None, str | None]:
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = self.table.find(group, version, rest[0])
        if resource is None:
            raise NotFound("the server could not find the requested resource")
        return resource, namespace, rest[1] if len(rest) > 1 else None, rest[2] if len(rest) > 2 else None


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _filter(request: web.Request, namespace: str | None) -> Filter:
    labels = parse_label_selector(request.query.get("labelSelector", ""))
    fields = parse_field_selector(request.query.get("fieldSelector", ""))

    def accepts(obj: Object) -> bool:
        def field(path: str) -> str:
            value: Any = obj
            for part in path.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            return str(value or "")

        return (
            (namespace is None or namespace_of(obj) == namespace)
            and labels.matches(obj["metadata"].get("labels") or {})
            and (fields.everything or fields.matches(field))
            and bool(name_of(obj))
        )

    return accepts


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
