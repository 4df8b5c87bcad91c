"""One namespace of a real cluster as an asynchronous test sees it: waiting for what shows in objects and logs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.resources import PODS, Resource
from minikube_py.api.types import Object
from minikube_py.client.rest import Client

T = TypeVar("T")
#: Nothing here takes long by itself; a loaded machine may.
PATIENCE = 60.0


@dataclass(frozen=True)
class Field:
    """One namespace of a real cluster, seen through the API."""

    client: Client
    namespace: str

    async def until(self, look: Callable[[], Awaitable[T]], *, what: str) -> T:
        """The first true answer. What is not there yet, or cannot be had yet, is no answer."""
        last: object = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        if last := await look():
                            return last
                    except StatusError as error:
                        last = error
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{what} did not come true: last was {last!r}") from None

    async def get(self, resource: Resource, name: str) -> Object:
        return await self.client.get(resource, name, self.namespace)

    async def pods(self, selector: str) -> list[Object]:
        return (await self.client.list(PODS, self.namespace, label_selector=selector)).items

    async def log(self, pod: str, **query: str) -> str:
        raw = await self.client.raw(f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log", query=query)
        return raw.decode()

    async def until_log(self, pod: str, wanted: str, **query: str) -> str:
        async def look() -> str:
            text = await self.log(pod, **query)
            return text if wanted in text else ""

        return await self.until(look, what=f"{wanted!r} in the log of {pod}")

    async def until_phase(self, name: str, phase: str) -> Object:
        async def look() -> Object | None:
            pod = await self.get(PODS, name)
            return pod if pod["status"].get("phase") == phase else None

        return await self.until(look, what=f"{name} to be {phase}")

    async def until_gone(self, resource: Resource, name: str) -> None:
        async def look() -> bool:
            try:
                await self.get(resource, name)
            except NotFound:
                return True
            return False

        await self.until(look, what=f"the end of {name}")
