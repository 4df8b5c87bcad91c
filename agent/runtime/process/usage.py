"""What running containers have used: from their control groups, else from /proc. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from agent.runtime.process.containers import Container

_TICK_NANOSECONDS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def measure(containers: Iterable[Container]) -> list[dict[str, Any]]:
    """CPU time and memory of every running container."""
    running = [each for each in containers if each.pid]
    children = _children() if any(each.cgroup is None for each in running) else {}
    return [_one(each, children) for each in running]


def _one(container: Container, children: dict[int, list[int]]) -> dict[str, Any]:
    if container.cgroup is not None:
        cpu, memory = container.cgroup.cpu_nanoseconds(), container.cgroup.memory_bytes()
    else:
        family = [_stat(pid) for pid in _family(container.pid, children)]
        cpu, memory = sum(each[0] for each in family), sum(each[1] for each in family)
    return {"container_id": container.config.id, "cpu_nanoseconds": cpu, "memory_bytes": memory}


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def _family(pid: int, children: dict[int, list[int]]) -> list[int]:
    family, pending = [], [pid]
    while pending:
        member = pending.pop()
        family.append(member)
        pending += children.get(member, ())
    return family


def _stat(pid: int) -> tuple[int, int]:
    """(CPU nanoseconds with those of its reaped children, resident bytes less what is shared with files)."""
    fields = _fields(pid)
    if not fields:
        return 0, 0
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = file.read().split()
    except OSError:
        return 0, 0
    ticks = sum(int(value) for value in fields[11:15])
    return ticks * _TICK_NANOSECONDS, (int(resident) - int(shared)) * _PAGE


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from the state on: [state, ppid, …]."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
