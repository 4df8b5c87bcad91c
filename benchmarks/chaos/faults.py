"""What can go wrong with a cluster's processes and cables, each fault healed by itself or by ``heal``."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from benchmarks.chaos.target import Target
from benchmarks.processes import tree
from minikube_py.cluster.control import ControlRefused

Fault = Callable[[Target, random.Random], Awaitable[str]]


async def kill_agent(target: Target, dice: random.Random) -> str:
    return _signal(target, f"agent-{dice.choice(target.nodes)}", signal.SIGKILL)


async def kill_machine(target: Target, dice: random.Random) -> str:
    return _signal(target, f"machine-{dice.choice(target.nodes)}", signal.SIGKILL)


async def kill_apiserver(target: Target, _: random.Random) -> str:
    return _signal(target, "apiserver", signal.SIGKILL)


async def kill_controlplane(target: Target, _: random.Random) -> str:
    return _signal(target, "controlplane", signal.SIGKILL)


async def end_a_part(target: Target, dice: random.Random) -> str:
    """An orderly end that nobody asked the supervisor for."""
    return _signal(target, dice.choice(sorted(target.parts())), signal.SIGTERM)


async def freeze_a_part(target: Target, dice: random.Random) -> str:
    """It neither answers nor hangs up for a while."""
    name, seconds = dice.choice(sorted(target.parts())), dice.uniform(0.5, 4)
    told = _signal(target, name, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    return f"{told} for {seconds:.1f} s; {_signal(target, name, signal.SIGCONT)}"


async def kill_containers(target: Target, dice: random.Random) -> str:
    """Some processes of one node's containers, whichever they are."""
    node = dice.choice(target.nodes)
    machine = target.parts().get(f"machine-{node}")
    if machine is None:
        return f"no machine {node}"
    inside = sorted(tree(machine) - {machine})
    chosen = dice.sample(inside, min(len(inside), dice.randint(1, 3)))
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return f"killed {len(chosen)} processes of pods on {node}"


async def cut_off_a_node(target: Target, dice: random.Random) -> str:
    node, seconds = dice.choice(target.nodes), dice.uniform(0.5, 9)
    target.command("unplug-node", node=node)
    await asyncio.sleep(seconds)
    target.command("plug-node", node=node)
    return f"{node} was cut off for {seconds:.1f} s"


async def switch_a_node_off(target: Target, dice: random.Random) -> str:
    node, seconds = dice.choice(target.nodes), dice.uniform(0.1, 6)
    target.command("stop-node", node=node)
    await asyncio.sleep(seconds)
    target.command("start-node", node=node)
    return f"{node} was off for {seconds:.1f} s"


#: How often each happens, relative to the others.
FAULTS: dict[Fault, int] = {
    kill_containers: 6,
    kill_agent: 4,
    cut_off_a_node: 3,
    kill_apiserver: 3,
    kill_controlplane: 3,
    freeze_a_part: 3,
    kill_machine: 2,
    switch_a_node_off: 2,
    end_a_part: 2,
}


async def heal(target: Target) -> None:
    """Every part goes on, every cable is plugged."""
    for node in target.nodes:
        with suppress(ControlRefused):
            target.command("plug-node", node=node)
            target.command("start-node", node=node)
    for pid in target.parts().values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _signal(target: Target, name: str, number: signal.Signals) -> str:
    pid = target.parts().get(name)
    if pid is None:
        return f"no {name}"
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return f"{number.name} to {name}"
