"""A control plane over a real API server, with simulated nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from minikube_py.api.errors import StatusError
from minikube_py.api.resources import PODS, Resource
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.cluster.controlplane import ControlPlane
from minikube_py.config.parts import ControlPlaneConfig
from tests.support.apiserver import RunningAPI, running_apiserver
from tests.support.simulated import SimulatedNodes


@dataclass
class Cluster:
    """What a test works with."""

    client: Client
    nodes: SimulatedNodes

    async def until(self, condition: Callable[[], Awaitable[Any]], *, seconds: float = 60.0) -> Any:
        """The first true value of ``condition``; fails with its last value."""
        last: Any = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    last = await self._value(condition)
                    if last:
                        return last
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; last seen: {last!r}") from None

    async def pods(self, selector: str = "", namespace: str = "default") -> list[Object]:
        return (await self.client.list(PODS, namespace, label_selector=selector)).items

    async def items(self, resource: Resource, namespace: str = "default", selector: str = "") -> list[Object]:
        return (await self.client.list(resource, namespace, label_selector=selector)).items

    @staticmethod
    async def _value(condition: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await condition()
        except StatusError as error:
            return None if error.status_code == 404 else error


def control_plane_config(api: RunningAPI, **settings: Any) -> ControlPlaneConfig:
    """The parts with the identities that a real cluster gives them: what RBAC does not allow them fails here."""
    return ControlPlaneConfig(
        api=api.access_of("system:kube-controller-manager"),
        scheduler_api=api.access_of("system:kube-scheduler"),
        service_account_ca=api.authority.pair.certificate,
        cluster_signing=api.authority.pair,
        **settings,
    )


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningAPI]:
    """An API server of its own."""
    async with running_apiserver(tmp_path) as running:
        yield running


@pytest.fixture
def node_grace_seconds() -> float:
    """How long a node may be silent: upstream's default, for a busy machine silences nodes that nobody stopped."""
    return 40.0


@pytest_asyncio.fixture
async def cluster(api: RunningAPI, node_grace_seconds: float) -> AsyncIterator[Cluster]:
    """Three ready nodes, a scheduler and all controllers."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client.from_access(api.access))
        config = control_plane_config(api, node_monitor_grace_seconds=node_grace_seconds)
        plane = ControlPlane(config)
        await plane.start()
        stack.push_async_callback(plane.stop)
        nodes = await stack.enter_async_context(SimulatedNodes(client, renew_seconds=0.5))
        for name in ("node-1", "node-2", "node-3"):
            await nodes.add(name)
        yield Cluster(client, nodes)
