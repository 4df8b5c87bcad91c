"""Many workloads at once in one namespace of the shared cluster: a module applies all it has, then its tests look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import yaml

from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.client.rest import Client
from tests.support.field import Field
from tests.support.minik import MinikCluster


@pytest.fixture(scope="module")
def workloads(cluster: MinikCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace with everything in the module's ``objects()``."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    space: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(space))
    cluster.kubectl("apply", "-n", name, "-f", "-", stdin=yaml.safe_dump_all(request.module.objects()))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest_asyncio.fixture
async def field(cluster: MinikCluster, workloads: str) -> AsyncIterator[Field]:
    async with Client.from_access(load_kubeconfig([cluster.kubeconfig]).access) as client:
        yield Field(client, workloads)
