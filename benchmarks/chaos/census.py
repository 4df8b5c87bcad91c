"""What a node holds in the kernel and on the disk, from /proc: the same before and after, or it leaks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.chaos.target import Target
from benchmarks.processes import tree
from minikube_py.linux import cgroups

#: Connections to the API server come and go with retries; a pool's threads are made when needed, and kept.
_SLACK = {"agent_files": 6, "agent_threads": 8}
_LISTENING = "0A"


@dataclass(frozen=True)
class Census:
    """Of one node. Sets are compared by what is in them, numbers up to a slack."""

    processes: frozenset[str]
    containers: frozenset[str]
    machine_files: int
    machine_mounts: frozenset[str]
    agent_files: int
    agent_threads: int
    interfaces: frozenset[str]
    routes: frozenset[str]
    listening: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]

    def leaked_since(self, before: Census) -> list[str]:
        """What is here that was not there; empty where nothing is."""
        found = []
        for field in fields(self):
            now, then = getattr(self, field.name), getattr(before, field.name)
            if isinstance(now, int):
                if now > then + _SLACK.get(field.name, 0):
                    found.append(f"{field.name}: {then} -> {now}")
            elif now - then:
                found.append(f"{field.name}: {sorted(now - then)}")
        return found


def take(target: Target, node: str) -> Census:
    """Raises OSError or KeyError where a part is not running just now."""
    parts = target.parts()
    machine, agent = parts[f"machine-{node}"], parts[f"agent-{node}"]
    group = cgroups.detect(cgroups.name_for(str(target.state_of(node))))
    return Census(
        processes=frozenset(_named(tree(machine) - {machine})),
        containers=frozenset(_containers(machine)),
        machine_files=len(os.listdir(f"/proc/{machine}/fd")),
        machine_mounts=frozenset(mount for mount in _mounts(machine) if mount.startswith(str(target.root))),
        agent_files=len(os.listdir(f"/proc/{agent}/fd")),
        agent_threads=len(os.listdir(f"/proc/{agent}/task")),
        interfaces=frozenset(_interfaces(agent)),
        routes=frozenset(_routes(agent)),
        listening=frozenset(_listening(agent)),
        cgroups=frozenset(group.children() if group else ()),
        files=frozenset(_files(target.state_of(node))),
    )


def _containers(machine: int) -> Iterator[str]:
    """The machine's own children but for the reapers of shared process namespaces."""
    children = Path(f"/proc/{machine}/task/{machine}/children").read_text()
    return (name for name in _named(int(pid) for pid in children.split()) if not name.endswith(" pause"))


def _named(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        try:
            yield f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}"
        except OSError:
            continue  # it ended while we looked


def _mounts(pid: int) -> Iterator[str]:
    for line in Path(f"/proc/{pid}/mounts").read_text().splitlines():
        yield line.split()[1]


def _interfaces(pid: int) -> Iterator[str]:
    for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]:
        yield line.partition(":")[0].strip()


def _routes(pid: int) -> Iterator[str]:
    for line in Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:]:
        yield " ".join(line.split()[:2])


def _listening(pid: int) -> Iterator[str]:
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            entry = line.split()
            if entry[3] == _LISTENING:
                yield f"{kind} {entry[1]}"
    for kind in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            local, port = line.split()[1].split(":")
            if int(port, 16) < 32768:  # the others are somebody's questions under way
                yield f"{kind} {local}:{port}"


def _files(state: Path) -> Iterator[str]:
    """Names to the second level: one pod, sandbox, container, address or log folder each."""
    for folder in state.iterdir():
        if folder.is_dir():
            yield from (f"{folder.name}/{entry.name}" for entry in folder.iterdir())
        else:
            yield folder.name
