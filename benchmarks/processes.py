"""What a tree of processes costs: proportional memory and CPU time, as the kernel accounts for them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def tree(root: int) -> set[int]:
    """``root`` and all its descendants."""
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in task.read_text().split()]
            except OSError:
                continue  # it ended while we looked
    return found


def pss_bytes(pids: Iterable[int]) -> int:
    """Proportional set size: a page shared by n processes counts 1/n for each."""
    return sum(_rollup(pid, "Pss:") for pid in pids)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rollup(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key)), 0)
