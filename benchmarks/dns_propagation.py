"""How soon a pod that becomes ready has its address in DNS: ``python -m benchmarks.dns_propagation [--services 1000]``.

Starts a cluster of its own, fills it with Services, and lets a pod's readiness change again and again, as its kubelet
would report it. A prober in a pod of the cluster asks for the headless Service's name all the time. Prints milliseconds
from the report to the changed answer: through endpoint controller, EndpointSlice, watch, zone and server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from minikube_py.aio.tasks import TaskSet
from minikube_py.api.meta import condition_is_true
from minikube_py.api.resources import NODES, PODS, SERVICES
from minikube_py.client.channels import Command, execute
from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.client.rest import Client, PatchKind

NAME = "dns-bench"
#: Says when the number of answers changes; the monotonic clock is the same in every namespace of a machine.
PROBER = """
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(1); sock.connect(("10.96.0.10", 53))
name = b"".join(bytes([len(p)]) + p for p in b"watched.default.svc.cluster.local".split(b".")) + b"\\0"
query, last = b"\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\1\\0\\1", None
while True:
    sock.send(query); count = sock.recv(512)[7]
    if count != last:
        print(time.monotonic(), count, flush=True); last = count
    time.sleep(0.0005)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minik-dns-") as home:
        environment = {**os.environ, "MINIK_HOME": home, "KUBECONFIG": f"{home}/config"}
        _minik(environment, "up", "--nodes", "2")
        try:
            taken = asyncio.run(_measure(Path(home) / "config", chosen.services, chosen.changes))
        finally:
            _minik(environment, "down")
    taken.sort()
    print(
        f"readiness -> headless answer, {chosen.services} Services: median {statistics.median(taken):.1f} ms, "
        f"p99 {taken[len(taken) * 99 // 100]:.1f} ms, worst {taken[-1]:.1f} ms ({len(taken)} changes)"
    )


def _minik(environment: dict[str, str], *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("minik")), *arguments, "--name", NAME]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


async def _measure(kubeconfig: Path, services: int, changes: int) -> list[float]:
    access = load_kubeconfig([kubeconfig]).access
    seen: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
    tasks = TaskSet("benchmark")
    async with Client.from_access(access) as client:
        await _fill(client, services)
        tasks.spawn(_probe(access, seen), name="prober")
        await seen.get()
        taken = [await _change(client, number % 2 == 0, seen) for number in range(changes)]
        await tasks.close()
    return taken


async def _fill(client: Client, services: int) -> None:
    for number in range(services):
        ports = [{"name": "http", "port": 80}]
        await client.create(
            SERVICES, _object("Service", f"filler-{number}", {"selector": {"app": "x"}, "ports": ports})
        )
    headless = {"clusterIP": "None", "selector": {"app": "watched"}, "ports": [{"name": "http", "port": 80}]}
    await client.create(SERVICES, _object("Service", "watched", headless))
    prober = {"name": "c", "image": "minik.local/host", "command": ["sleep", "100000"]}
    await client.create(PODS, _object("Pod", "prober", {"containers": [prober]}))
    # The watched pod is on a node without an agent, so that nobody but this program reports its state.
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "elsewhere"}})
    watched = {"nodeName": "elsewhere", "containers": [{"name": "c", "image": "none"}]}
    await client.create(PODS, _object("Pod", "watched", watched, app="watched"))
    ready = False
    while not ready:
        await asyncio.sleep(0.05)
        ready = condition_is_true((await client.get(PODS, "prober", "default"))["status"].get("conditions"), "Ready")


def _object(kind: str, name: str, spec: dict[str, Any], **labels: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec}


async def _probe(access: Any, seen: asyncio.Queue[tuple[float, int]]) -> None:
    def take(output: bytes) -> None:
        for line in output.decode().splitlines():
            moment, count = line.split()
            seen.put_nowait((float(moment), int(count)))

    command = Command("default", "prober", ["python3", "-c", PROBER])
    await execute(access, command, stdout=take, stderr=lambda output: print(output.decode()))


async def _change(client: Client, ready: bool, seen: asyncio.Queue[tuple[float, int]]) -> float:
    """Milliseconds from the report to the changed answer."""
    status = {
        "phase": "Running",
        "podIP": "10.244.9.9",
        "podIPs": [{"ip": "10.244.9.9"}],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    with contextlib.suppress(asyncio.QueueEmpty):
        while True:
            seen.get_nowait()
    before = time.monotonic()
    await client.patch(PODS, "watched", {"status": status}, "default", kind=PatchKind.MERGE, subresource="status")
    async with asyncio.timeout(10):
        moment, count = await seen.get()
    assert count == int(ready)
    return (moment - before) * 1000


if __name__ == "__main__":
    main()
