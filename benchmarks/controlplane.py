"""Scheduler and controllers in a process of their own, against a real API server and simulated nodes.

    python -m benchmarks.controlplane [REPLICAS]

Prints: seconds from the start of the process to three running replicas; to scale a Deployment to REPLICAS (100) and to
roll it; the control plane's CPU for both; milliseconds from a pod's creation to its binding and from a readiness change
to the EndpointSlice; memory (PSS) and idle CPU.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.processes import cpu_seconds, pss_bytes
from benchmarks.rollout import rolled_out
from minikube_py.api.resources import DEPLOYMENTS, ENDPOINTSLICES, PODS, SERVICES
from minikube_py.api.types import Object
from minikube_py.client.rest import Client, PatchKind
from minikube_py.config.documents import document_of
from minikube_py.config.parts import ControlPlaneConfig
from tests.support.apiserver import running_apiserver
from tests.support.simulated import SimulatedNodes, set_ready

_MINIK = str(Path(sys.executable).with_name("minik"))


def _deployment(replicas: int) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


async def _change(client: Client, pid: int, title: str, patch: Object) -> None:
    since, used = time.perf_counter(), cpu_seconds([pid])
    await client.patch(DEPLOYMENTS, "web", patch, "default", kind=PatchKind.STRATEGIC)
    await rolled_out(client)
    print(f"{title:28}{time.perf_counter() - since:8.2f} s   control plane CPU {cpu_seconds([pid]) - used:.2f} s")


async def _bind_milliseconds(client: Client) -> float:
    took = []
    for number in range(20):
        meta = {"name": f"p{number}", "namespace": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
        since = time.perf_counter()
        await client.create(PODS, pod | {"spec": {"containers": [{"name": "c", "image": "web:1"}]}})
        while not (await client.get(PODS, f"p{number}", "default"))["spec"].get("nodeName"):
            pass
        took.append(time.perf_counter() - since)
    return median(took) * 1000


async def _endpoint_milliseconds(client: Client) -> float:
    pod = (await client.list(PODS, "default", label_selector="app=web")).items[0]
    took = []
    for number in range(20):
        since = time.perf_counter()
        await set_ready(client, pod, bool(number % 2))
        while await _is_ready(client, pod) != bool(number % 2):
            pass
        took.append(time.perf_counter() - since)
    return median(took) * 1000


async def _is_ready(client: Client, pod: Object) -> bool | None:
    slices = await client.list(ENDPOINTSLICES, "default", label_selector="kubernetes.io/service-name=web")
    for endpoint in (endpoint for entry in slices.items for endpoint in entry.get("endpoints") or ()):
        if endpoint["targetRef"]["name"] == pod["metadata"]["name"]:
            return bool(endpoint["conditions"]["ready"])
    return None


async def _measure(folder: Path, replicas: int) -> None:
    async with running_apiserver(folder) as api, Client.from_access(api.access) as client:
        config = ControlPlaneConfig(
            api=api.access_of("system:kube-controller-manager"),
            scheduler_api=api.access_of("system:kube-scheduler"),
            service_account_ca=api.authority.pair.certificate,
        )
        path = folder / "controlplane.json"
        path.write_bytes(document_of(config))
        since = time.perf_counter()
        process = await asyncio.create_subprocess_exec(_MINIK, "controlplane", "--config", str(path))
        try:
            async with SimulatedNodes(client) as nodes:
                await _report(client, nodes, process.pid, since, replicas)
        finally:
            process.terminate()
            await process.wait()


async def _report(client: Client, nodes: SimulatedNodes, pid: int, since: float, replicas: int) -> None:
    for number in range(3):
        await nodes.add(f"node-{number}", cpu="64")
    port = {"port": 80, "protocol": "TCP"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}}
    await client.create(SERVICES, service | {"spec": {"selector": {"app": "web"}, "ports": [port]}})
    await client.create(DEPLOYMENTS, _deployment(3))
    await rolled_out(client)
    print(f"{'process start to 3 replicas':28}{time.perf_counter() - since:8.2f} s")
    print(f"{'created to bound':28}{await _bind_milliseconds(client):8.1f} ms")
    print(f"{'ready to EndpointSlice':28}{await _endpoint_milliseconds(client):8.1f} ms")
    await _change(client, pid, f"3 to {replicas} replicas", {"spec": {"replicas": replicas}})
    containers = [{"name": "c", "image": "web:2"}]
    await _change(
        client, pid, f"roll {replicas} replicas", {"spec": {"template": {"spec": {"containers": containers}}}}
    )
    await asyncio.sleep(1)
    used = cpu_seconds([pid])
    await asyncio.sleep(5)
    print(f"{'idle':28}{(cpu_seconds([pid]) - used) / 5 * 100:8.2f} % CPU   {pss_bytes([pid]) / 2**20:.0f} MB PSS")


def main() -> None:
    """Run in a directory of its own."""
    replicas = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_measure(Path(folder), replicas))


if __name__ == "__main__":
    main()
