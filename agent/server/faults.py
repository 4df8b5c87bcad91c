"""Faults made on purpose, over HTTP (``minik fault``)."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
from aiohttp import web


class Faults(Protocol):
    """What can be broken and mended (agent.proxy.faults)."""

    def active(self) -> list[dict[str, object]]: ...

    def make(self, name: str, seconds: float = 0.0) -> None: ...

    def clear(self) -> None: ...


class FaultHandlers:
    """``faults`` None: a node without traffic has nothing to break."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """GET and DELETE /faults, PUT /faults/NAME?seconds=N"""
        return [
            web.get("/faults", self._list),
            web.delete("/faults", self._clear),
            web.put("/faults/{name}", self._make),
        ]

    async def _list(self, _: web.Request) -> web.Response:
        return self._answer()

    async def _make(self, request: web.Request) -> web.Response:
        try:
            self._known().make(request.match_info["name"], float(request.query.get("seconds", "0")))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return self._answer()

    async def _clear(self, _: web.Request) -> web.Response:
        self._known().clear()
        return self._answer()

    def _known(self) -> Faults:
        if self._faults is None:
            raise web.HTTPNotImplemented(text="this node is simulated: it has no Service proxy to break")
        return self._faults

    def _answer(self) -> web.Response:
        body: dict[str, Any] = {"faults": self._faults.active() if self._faults is not None else []}
        return web.Response(body=orjson.dumps(body), content_type="application/json")
