"""Pods on the simulated runtime against the real API server: what a user sees of each stage of a pod's life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.runtime.simulated import SimulatedRuntime
from minikube_py.aio.clock import SystemClock
from minikube_py.api.resources import NAMESPACES, PODS, SERVICEACCOUNTS
from minikube_py.client.rest import Client
from tests.support.apiserver import running_apiserver
from tests.support.podnode import condition, container, phase, running_node

CLOCK = SystemClock()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running_apiserver(tmp_path) as api, Client.from_access(api.access) as found:
        for name in ("default",):
            try:
                await found.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            except Exception:
                pass
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "default"},
        }
        await found.create(SERVICEACCOUNTS, account, "default")
        yield found


async def test_a_pod_starts_answers_its_deletion_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({})
        pod = await node.until(lambda pod: phase(pod) == "Running")
        assert condition(pod, "Ready") == "True"
        assert pod["status"]["podIP"] == "10.244.0.2"
        assert pod["status"]["hostIP"] == "192.168.230.11"
        assert container(pod)["started"] is True
        await client.delete(PODS, "web", "default")
        await node.until_gone()
        await node.until_clean()
