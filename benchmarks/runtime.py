"""Milliseconds from run_sandbox to a running container, and what machine and pods weigh: the embedded runtime alone.

``python -m benchmarks.runtime [PODS]`` as root, or by ``unshare -Urnm`` as an ordinary user.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from agent.images.store import LocalImages
from agent.network.node import NodeNetwork
from agent.network.pods import RoutedPodNetwork
from agent.runtime.process.runtime import ProcessRuntime
from agent.runtime.protocol import ContainerSpec, SandboxSpec
from minikube_py.linux import namespaces
from minikube_py.linux.netlink import Netlink

LAUNCHER = Path(__file__).resolve().parents[1] / "tests" / "contract" / "runtime" / "launch_machine.py"
COMMANDS: dict[str, tuple[str, ...]] = {"minik.local/echo": (), "minik.local/host": ("sleep", "1000")}


def pss_kilobytes(pid: int) -> int:
    """The proportional share of memory of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


async def start_pods(
    runtime: ProcessRuntime, network: RoutedPodNetwork, image: str, count: int
) -> tuple[list[float], list[int]]:
    """Starts ``count`` pods one after the other; seconds of each, and the pids."""
    seconds, containers = [], []
    for number in range(count):
        name = f"{image.rpartition('/')[2]}-{number}"
        begin = time.perf_counter()
        sandbox = await runtime.run_sandbox(SandboxSpec("default", name, name, name))
        await network.attach(sandbox.netns_path, name)
        spec = ContainerSpec("app", image, 0, command=COMMANDS[image])
        container = await runtime.create_container(sandbox.id, spec)
        await runtime.start_container(container)
        seconds.append(time.perf_counter() - begin)
        containers.append(container)
    found = {each.id: each.pid or 0 for each in await runtime.list_containers()}
    return seconds, [found[each] for each in containers]


async def measure(directory: Path, count: int) -> None:
    """Prints one line per image, and the machine's memory."""
    state, socket = directory / "state", directory / "machine.sock"
    config = {"node_name": "bench", "state_dir": str(state), "socket": str(socket), "image_dir": str(directory / "img")}
    (directory / "machine.json").write_text(json.dumps(config))
    command = [sys.executable, str(LAUNCHER), str(directory / "machine.json")]
    machine = subprocess.Popen(command)  # noqa: ASYNC220 - nothing else runs yet
    runtime = ProcessRuntime(
        machine_socket=socket, image_store=LocalImages(directory / "img"), state_dir=state, node_name="bench"
    )
    network = RoutedPodNetwork(node=NodeNetwork(("10.0.0.1",), ("10.244.0.0/16",), ("10.96.0.0/16",)), state_dir=state)
    await runtime.start()
    await network.start()
    try:
        for image in COMMANDS:
            seconds, pids = await start_pods(runtime, network, image, count)
            taken = sorted(1000 * each for each in seconds)
            weight = statistics.median(pss_kilobytes(pid) for pid in pids)
            print(
                f"{image}: start p50 {statistics.median(taken):.1f} ms, p90 {taken[int(0.9 * count)]:.1f} ms, "
                f"PSS of a container {weight / 1024:.1f} MB"
            )
        print(f"machine with {2 * count} containers: PSS {pss_kilobytes(runtime._client.machine_pid) / 1024:.1f} MB")
    finally:
        await network.stop()
        await runtime.stop()
        machine.terminate()
        machine.wait()


def main() -> None:
    """In a network namespace of its own, so that nothing of the host is touched."""
    namespaces.unshare(namespaces.CLONE_NEWNET)
    with Netlink() as netlink:
        netlink.link_up("lo")
        netlink.addr_add("lo", "10.0.0.1/32")
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(measure(Path(directory), int(sys.argv[1]) if len(sys.argv) > 1 else 20))


if __name__ == "__main__":
    main()
