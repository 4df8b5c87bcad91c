"""Looking: objects through the API, requests and commands from the lab's pods, requests from this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.resources import Resource, ResourceTable
from minikube_py.api.types import Object
from minikube_py.client import outbound
from minikube_py.client.access import Access
from minikube_py.client.channels import Command, execute
from minikube_py.client.rest import Client
from minikube_py.labs.answers import addresses, answer, headers_of, read, script
from minikube_py.labs.folder import LabFault
from minikube_py.labs.model import Exec, Measure, Objects, Request, Resolve

HOST = "host"
#: Moves the lessons' clock by so much time.
Advance = Callable[[str], Awaitable[None]]


def resource_of(kind: str) -> Resource:
    """By its kind, plural or short name. Raises LabFault."""
    for resource in ResourceTable().all():
        if kind in (resource.kind, resource.plural, *resource.short_names):
            return resource
    raise LabFault(f"there is no kind {kind}")


@dataclass(frozen=True, slots=True)
class Observer:
    """Looks at one lab. ``namespace`` is the lab's own."""

    client: Client
    access: Access
    namespace: str
    advance: Advance

    async def measure(self, what: Measure) -> list[Any]:
        """The items. What cannot be looked at (no such pod) is no item. Raises LabFault, ConnectionFailed."""
        if what.objects is not None:
            return list(await self.objects(what.objects))
        try:
            if what.request is not None:
                return await self._requests(what.request)
            if what.resolve is not None:
                return await self._resolve(what.resolve)
            return await self._exec(what.exec or Exec(pod="", argv=[]))
        except StatusError:
            return []

    async def objects(self, what: Objects) -> Sequence[Object]:
        """The objects that there are."""
        resource = resource_of(what.kind)
        where = (what.namespace or self.namespace) if resource.namespaced else None
        if what.name:
            try:
                return [await self.client.get(resource, what.name, where)]
            except NotFound:
                return []
        selector = ",".join(f"{key}={value}" for key, value in what.labels.items())
        return (await self.client.list(resource, where, label_selector=selector)).items

    async def _requests(self, request: Request) -> list[Any]:
        if request.source != HOST and not request.advance:
            return read((await self._run(request.source, script(request)))[1])
        items: list[Any] = []
        for _ in range(request.times):
            if request.advance:
                await self.advance(request.advance)
            items += [await _from_here(request)] if request.source == HOST else await self._once(request)
        return items

    async def _once(self, request: Request) -> list[Any]:
        return list(read((await self._run(request.source, script(request)))[1]))

    async def _resolve(self, what: Resolve) -> list[Any]:
        return list(addresses((await self._run(what.source, ["getent", "ahosts", what.name]))[1]))

    async def _exec(self, what: Exec) -> list[Any]:
        code, output = await self._run(what.pod, what.argv)
        return [{"exit": code, "lines": output.decode(errors="replace").splitlines()}]

    async def _run(self, pod: str, argv: Sequence[str]) -> tuple[int, bytes]:
        output = bytearray()
        command = Command(self.namespace, pod, argv)
        code = await execute(self.access, command, stdout=output.extend, stderr=lambda _: None)
        return code, bytes(output)


async def _from_here(request: Request) -> dict[str, Any]:
    """One request from this machine's network."""
    return answer(*await outbound.get(request.url, headers=headers_of(request), seconds=request.timeout))
