"""Real pods in numbers, on the embedded runtime: ``python -m benchmarks.workloads [--pods 100] [--nodes 3]``.

Prints: seconds until so many single pods run, and to bring up, roll and delete a Deployment of as many replicas; then,
with all pods on one node, memory and CPU of its agent. A bare fork-and-exec of as many processes, measured in the same
run, tells how busy the machine is.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import time
from pathlib import Path

from benchmarks.cluster import _home, _minik
from benchmarks.processes import cpu_seconds, pss_bytes, tree
from benchmarks.rollout import rolled_out
from minikube_py.api.resources import DEPLOYMENTS, PODS
from minikube_py.api.types import Object
from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.client.rest import Client
from minikube_py.cluster.control import ask

_IDLE_SECONDS = 10.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pods", type=int, default=100)
    arguments.add_argument("--nodes", type=int, default=3)
    chosen = arguments.parse_args()
    _row("reference: fork and exec", f"{_reference(chosen.pods):.2f} s", f"{chosen.pods} times /bin/true")
    for nodes, measure in ((chosen.nodes, _speed), (1, _weight)):
        with _home() as home:
            _minik(home, "up", "--nodes", str(nodes))
            asyncio.run(measure(home / "m/clusters/minik", chosen.pods))
            _minik(home, "down")


def _row(what: str, figure: str, remark: str = "") -> None:
    print(f"{what:<36}{figure:>12}   {remark}", flush=True)


def _reference(count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        subprocess.run(["/bin/true"], check=True)
    return time.perf_counter() - begun


def _client(root: Path) -> Client:
    return Client.from_access(load_kubeconfig([root / "kubeconfig"]).access)


async def _speed(root: Path, count: int) -> None:
    async with _client(root) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(client.create(PODS, _pod(f"pod-{number}")) for number in range(count)))
        created = time.perf_counter() - begun
        await _running(client, "app=single", count)
        took = time.perf_counter() - begun
        _row(f"{count} pods created", f"{created:.2f} s")
        _row(f"{count} pods Running", f"{took:.2f} s", f"{count / took:.0f} pods/s")
        await client.delete_collection(PODS, "default", label_selector="app=single", grace_seconds=0)
        await _running(client, "app=single", 0)
        await _deployment(client, count)


async def _deployment(client: Client, count: int) -> None:
    begun = time.perf_counter()
    await client.create(DEPLOYMENTS, _deployment_of(count))
    await rolled_out(client)
    _row(f"Deployment of {count} available", f"{time.perf_counter() - begun:.2f} s")
    changed = {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}}
    begun = time.perf_counter()
    await client.patch(DEPLOYMENTS, "web", changed, "default")
    await rolled_out(client)
    _row(f"Deployment of {count} rolled", f"{time.perf_counter() - begun:.2f} s", "maxSurge and maxUnavailable 25 %")
    begun = time.perf_counter()
    await client.delete(DEPLOYMENTS, "web", "default")
    await _running(client, "app=web", 0)
    _row(f"Deployment of {count} deleted", f"{time.perf_counter() - begun:.2f} s")


async def _weight(root: Path, count: int) -> None:
    parts = {part["name"]: part["pid"] for part in ask(root / "run/control", "status")["parts"]}
    agent, machine = parts["agent-minik-1"], parts["machine-minik-1"]
    async with _client(root) as client:
        used = cpu_seconds([agent])
        await client.create(DEPLOYMENTS, _deployment_of(count))
        await rolled_out(client)
        _row(f"agent, starting {count} pods", f"{cpu_seconds([agent]) - used:.2f} s", "of CPU")
    _row(f"agent with {count} pods", f"{pss_bytes([agent]) / 2**20:.0f} MB", "PSS")
    _row(f"machine with {count} pods", f"{pss_bytes([machine]) / 2**20:.0f} MB", "PSS, without its pods")
    await asyncio.sleep(2)  # what the start set off must have settled before idleness is measured
    before = cpu_seconds([agent]), cpu_seconds(tree(parts["apiserver"]) | set(parts.values()))
    await asyncio.sleep(_IDLE_SECONDS)
    after = cpu_seconds([agent]), cpu_seconds(tree(parts["apiserver"]) | set(parts.values()))
    for what, index in (("idle agent", 0), ("idle parts together", 1)):
        _row(what, f"{(after[index] - before[index]) / _IDLE_SECONDS * 100:.2f} %", "of a core")


async def _running(client: Client, selector: str, count: int) -> None:
    while True:
        pods = (await client.list(PODS, "default", label_selector=selector)).items
        running = sum(1 for pod in pods if pod["status"].get("phase") == "Running")
        if running == count and (count or not pods):
            return
        await asyncio.sleep(0.02)


def _spec() -> Object:
    return {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "echo", "image": "minik.local/echo", "ports": [{"containerPort": 8080}]}],
    }


def _pod(name: str) -> Object:
    meta = {"name": name, "namespace": "default", "labels": {"app": "single"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _spec()}


def _deployment_of(replicas: int) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": _spec()}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


if __name__ == "__main__":
    main()
