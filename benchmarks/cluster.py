"""What a cluster costs and how fast it reacts, seen from outside: ``python -m benchmarks.cluster [--nodes 3]``.

Prints: seconds from `minik up` to all nodes Ready and to the first answered request; proportional memory of the whole
tree; idle CPU; milliseconds from a pod's creation to Running (median of 20); milliseconds from a pod's readiness to its
address in a node's proxy table. Next to the start-up it prints, measured in the same run, what starting an interpreter
and importing our libraries costs on this machine: the part that no design of ours can save.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import cpu_seconds, pss_bytes, tree
from minikube_py.api import resources
from minikube_py.api.meta import condition_is_true
from minikube_py.api.types import Object
from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.client.rest import Client
from minikube_py.cluster.control import ask

ROOT = Path(__file__).resolve().parents[1]
NODE_PORT = 30099
LIBRARIES = "import aiohttp.web, uvloop, orjson, cryptography.x509"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--nodes", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=3, help="starts to measure")
    arguments.add_argument("--idle", type=float, default=10.0, help="seconds to measure idleness")
    chosen = arguments.parse_args()
    bare = statistics.median(_seconds([sys.executable, "-c", LIBRARIES]) for _ in range(5))
    print(f"interpreter + libraries        {bare * 1000:8.0f} ms   (the reference of this run)")
    ups, answers = [], []
    for _ in range(chosen.rounds):
        with _home() as home:
            up, answer = _start(home, chosen.nodes)
            ups.append(up)
            answers.append(answer)
            _minik(home, "down")
    _report("minik up -> nodes Ready", ups, bare)
    _report("minik up -> first answer", answers, bare)
    with _home() as home:
        _start(home, chosen.nodes)
        _costs(home, chosen.idle)
        asyncio.run(_reactions(home))
        _minik(home, "down")


def _report(what: str, seconds: list[float], reference: float) -> None:
    median = statistics.median(seconds)
    spread = f"{min(seconds) * 1000:.0f}-{max(seconds) * 1000:.0f}"
    print(f"{what:<30} {median * 1000:8.0f} ms   ({spread}; {median / reference:.2f} x the reference)")


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="minik-bench-"))
    try:
        yield home
    finally:
        _minik(home, "down")
        shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"HOME": str(home), "MINIK_HOME": str(home / "m"), "KUBECONFIG": str(home / "config")}


def _minik(home: Path, *argv: str) -> None:
    command = [str(Path(sys.executable).parent / "minik"), *argv]
    subprocess.run(command, env=_environment(home), check=True, stdout=subprocess.DEVNULL)


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def _start(home: Path, nodes: int) -> tuple[float, float]:
    started = time.perf_counter()
    _minik(home, "up", "--nodes", str(nodes))
    up = time.perf_counter() - started
    manifest = home / "app.json"
    manifest.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [_echo_pod("first"), _service()]}))
    _minik(home, "apply", "-f", str(manifest))
    _first_answer()
    return up, time.perf_counter() - started


def _first_answer() -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{NODE_PORT}/", timeout=1).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.002)


def _costs(home: Path, idle_seconds: float) -> None:
    supervisor = ask(home / "m/clusters/minik/run/control", "status")["pid"]
    pids = tree(supervisor)
    print(f"memory of the whole tree       {pss_bytes(pids) / 2**20:8.1f} MB PSS ({len(pids)} processes)")
    time.sleep(2)  # what the start set off must have settled before idleness is measured
    before = cpu_seconds(pids)
    time.sleep(idle_seconds)
    spent = cpu_seconds(pids) - before
    print(f"idle CPU                       {spent / idle_seconds * 100:8.2f} % of a core over {idle_seconds:.0f} s")


async def _reactions(home: Path) -> None:
    access = load_kubeconfig([home / "m/clusters/minik/kubeconfig"]).access
    async with Client.from_access(access) as client:
        running = [await _until_running(client, f"pod-{number}") for number in range(20)]
        _distribution("pod created -> Running", running)
        ready = [await _until_in_table(client, f"ready-{number}") for number in range(10)]
        _distribution("pod Ready -> proxy table", ready)


def _distribution(what: str, seconds: list[float]) -> None:
    ordered = sorted(second * 1000 for second in seconds)
    print(f"{what:<30} {statistics.median(ordered):8.1f} ms   ({ordered[0]:.1f}-{ordered[-1]:.1f}, n={len(ordered)})")


async def _until_running(client: Client, name: str) -> float:
    version = (await client.list(resources.PODS, "default")).resource_version
    started = time.perf_counter()
    await client.create(resources.PODS, _echo_pod(name))
    selector = f"metadata.name={name}"
    async for event in client.watch(resources.PODS, "default", resource_version=version, field_selector=selector):
        if (event.object.get("status") or {}).get("phase") == "Running":
            break
    seconds = time.perf_counter() - started
    await client.delete(resources.PODS, name, "default", grace_seconds=0)
    return seconds


async def _until_in_table(client: Client, name: str) -> float:
    """From the moment a watcher sees the pod Ready until the first node's routing table has its address."""
    version = (await client.list(resources.PODS, "default")).resource_version
    await client.create(resources.PODS, _echo_pod(name))
    selector = f"metadata.name={name}"
    async for event in client.watch(resources.PODS, "default", resource_version=version, field_selector=selector):
        status = event.object.get("status") or {}
        if condition_is_true(status.get("conditions"), "Ready"):
            break
    started = time.perf_counter()
    needle = f'"{status["podIP"]}:'.encode()
    while needle not in await client.raw("/api/v1/nodes/minik-1/proxy/debug/proxy"):
        pass
    seconds = time.perf_counter() - started
    await client.delete(resources.PODS, name, "default", grace_seconds=0)
    return seconds


def _echo_pod(name: str) -> Object:
    ports = [{"containerPort": 9376}]
    containers = [{"name": "echo", "image": "minik.local/echo", "ports": ports}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": "bench"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def _service() -> Object:
    ports = [{"port": 80, "targetPort": 9376, "nodePort": NODE_PORT}]
    spec = {"type": "NodePort", "selector": {"app": "bench"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bench", "namespace": "default"}, "spec": spec}


if __name__ == "__main__":
    main()
