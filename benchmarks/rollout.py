"""Waiting for the Deployment that benchmarks roll."""

from __future__ import annotations

import asyncio

from minikube_py.api.resources import DEPLOYMENTS
from minikube_py.client.rest import Client


async def rolled_out(client: Client) -> None:
    """Until Deployment default/web is seen, new, whole and available."""
    while True:
        found = await client.get(DEPLOYMENTS, "web", "default")
        status, wanted = found.get("status") or {}, found["spec"]["replicas"]
        numbers = [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        if status.get("observedGeneration") == found["metadata"]["generation"] and numbers == [wanted] * 3:
            return
        await asyncio.sleep(0.01)
