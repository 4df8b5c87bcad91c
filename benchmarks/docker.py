"""Pods on a Docker engine: their start beside the bare engine calls, and what an agent with many pods weighs.

``python -m benchmarks.docker [--pods N] [--rounds N]`` as root, with an engine at $DOCKER_HOST or its usual place. Both
ways of starting a pod alternate in one run, so that a noisy machine disturbs both alike. With ``--pods`` a cluster of
one node is made, and removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import uvloop

from agent.images.builtin import ECHO
from agent.runtime.docker import pause
from agent.runtime.docker.engine import Engine
from agent.runtime.docker.runtime import DockerRuntime
from agent.runtime.protocol import ContainerSpec, SandboxSpec
from benchmarks.processes import pss_bytes
from minikube_py.cluster.engine import check_engine, remove_containers

LABEL = {"minik.cluster": "benchmark"}
_DEADLINE = 900.0


async def bare(engine: Engine) -> float:
    """Seconds for the calls that a pod cannot do without: two containers created and started."""
    begin = time.perf_counter()
    sandbox = await _run(engine, {"Image": pause.NAME, "HostConfig": {"NetworkMode": "none", "IpcMode": "shareable"}})
    joined = {"NetworkMode": f"container:{sandbox}", "IpcMode": f"container:{sandbox}"}
    await _run(engine, {"Image": pause.NAME, "HostConfig": joined})
    return time.perf_counter() - begin


async def _run(engine: Engine, body: dict[str, Any]) -> str:
    created = await engine.post("/containers/create", {**body, "Labels": LABEL})
    await engine.post(f"/containers/{created['Id']}/start")
    return str(created["Id"])


async def ours(runtime: DockerRuntime) -> float:
    """Seconds for a pod by the runtime, from nothing to a running container."""
    name = uuid.uuid4().hex
    begin = time.perf_counter()
    sandbox = await runtime.run_sandbox(SandboxSpec("default", name, name, "pod"))
    container = await runtime.create_container(sandbox.id, ContainerSpec("app", pause.NAME, 0))
    await runtime.start_container(container)
    return time.perf_counter() - begin


async def starts(socket: Path, rounds: int, directory: Path) -> None:
    """Prints the medians and their ratio."""
    runtime = DockerRuntime(engine_socket=socket, state_dir=directory, node_name="bench", cluster="benchmark")
    await runtime.start()
    engine = Engine(socket)
    engine.open()
    try:
        pairs = [(await bare(engine), await ours(runtime)) for _ in range(rounds)]
    finally:
        await engine.close()
        await runtime.stop()
        remove_containers(socket, LABEL)
    medians = [statistics.median(column) * 1000 for column in zip(*pairs, strict=True)]
    spread = [max(column) / min(column) for column in zip(*pairs, strict=True)]
    print(
        f"pod start p50: {medians[1]:.0f} ms; bare engine calls {medians[0]:.0f} ms; "
        f"ratio {medians[1] / medians[0]:.2f} (slowest/fastest {spread[1]:.1f} and {spread[0]:.1f})"
    )


def many(pods: int) -> None:
    """Prints how long a Deployment of ``pods`` takes on one node, and the agent's memory before and with it."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"MINIK_HOME": directory, "KUBECONFIG": f"{directory}/kubeconfig"}
        minik = [str(Path(sys.executable).parent / "minik")]

        def run(*words: str, text: str = "") -> str:
            done = subprocess.run(
                [*minik, *words], env=environment, input=text, text=True, check=True, capture_output=True
            )
            return done.stdout

        try:
            run("up", "--name", "bench", "--runtime", "docker")
            agent = _agent_of(Path(directory))
            before, begin = pss_bytes([agent]) / 1e6, time.monotonic()
            run("apply", "--name", "bench", "-f", "-", text=json.dumps(_deployment(pods)))
            run("wait", "--name", "bench", "deployment/many", "--for", "Available", "--timeout", f"{_DEADLINE:.0f}")
            seconds = time.monotonic() - begin
            print(f"{pods} pods in {seconds:.0f} s; agent {pss_bytes([agent]) / 1e6:.0f} MB PSS ({before:.0f} before)")
        finally:
            run("down", "--name", "bench")


def _agent_of(home: Path) -> int:
    from minikube_py.cluster.control import ask

    parts = ask(home / "clusters" / "bench" / "run" / "control", "status")["parts"]
    return next(int(part["pid"]) for part in parts if part["name"].startswith("agent-"))


def _deployment(pods: int) -> dict[str, Any]:
    labels = {"app": "many"}
    container = {"name": "app", "image": ECHO, "imagePullPolicy": "IfNotPresent", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "many", "namespace": "default"},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pods", type=int, default=0)
    told = parser.parse_args()
    socket = check_engine().socket
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(starts(socket, told.rounds, Path(directory)))
    if told.pods:
        many(told.pods)


if __name__ == "__main__":
    main()
