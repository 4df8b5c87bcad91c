"""Limits and accounting by control groups, version 1 or 2, where this process may make them; else there are none.

:func:`detect` tries for real: it makes a group, sets a limit, and takes it away again. An ordinary user without
delegation gets None, and whoever asks for limits can then say that they are not enforced.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from dataclasses import dataclass
from typing import Final

_PERIOD: Final = 100_000
_LEAST_QUOTA: Final = 1_000
_V1_CONTROLLERS: Final = ("memory", "cpu", "cpuacct", "pids")
#: What a fresh group has already, in either version: not worth a write.
_UNLIMITED: Final = ("-1", "max", f"max {_PERIOD}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Millicores and bytes; None is unlimited, and as a request the least share there is."""

    cpu_request_millis: int | None = None
    cpu_limit_millis: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group: a directory in the unified hierarchy, or one per controller in version 1."""

    unified: str = ""
    directories: tuple[tuple[str, str], ...] = ()

    def paths(self) -> list[str]:
        return [self.unified] if self.unified else list(dict.fromkeys(path for _, path in self.directories))

    def hierarchies(self) -> tuple[str, ...]:
        """What mounts it: ``unified``, or the controllers of each version 1 hierarchy ("cpu,cpuacct" where shared)."""
        if self.unified:
            return ("unified",)
        by_path: dict[str, list[str]] = {}
        for controller, path in self.directories:
            by_path.setdefault(path, []).append(controller)
        return tuple(",".join(names) for names in by_path.values())

    def make(self) -> None:
        """The group as the kernel makes it: no limits, and a share like any other. Raises OSError."""
        for path in self.paths():
            os.makedirs(path, exist_ok=True)

    def create(self, limits: Limits) -> None:
        """Raises OSError."""
        self.make()
        for path, text in self._settings(limits):
            if text not in _UNLIMITED:
                _write(path, text)

    def update(self, limits: Limits) -> None:
        """Other limits for what runs in it. Raises OSError, also where more memory is in use than is allowed now."""
        for path, text in self._settings(limits):
            _write(path, text)

    def hand_down(self) -> None:
        """Lets groups below have limits of their own; nothing may have joined this one."""
        if self.unified:
            _hand_down(self.unified)

    def join(self) -> None:
        """Moves the calling process in. Raises OSError."""
        for path in self.paths():
            _write(f"{path}/cgroup.procs", "0")

    def cpu_nanoseconds(self) -> int:
        if not self.unified:
            return _number(f"{self._controller('cpuacct')}/cpuacct.usage")
        return _entry(f"{self.unified}/cpu.stat", "usage_usec") * 1000

    def memory_bytes(self) -> int:
        """The working set: what is used less the page cache that could go at once."""
        if self.unified:
            used, stat, key = f"{self.unified}/memory.current", f"{self.unified}/memory.stat", "inactive_file"
        else:
            base = self._controller("memory")
            used, stat, key = f"{base}/memory.usage_in_bytes", f"{base}/memory.stat", "total_inactive_file"
        return max(0, _number(used) - _entry(stat, key))

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        if self.unified:
            return _entry(f"{self.unified}/memory.events", "oom_kill")
        return _entry(f"{self._controller('memory')}/memory.oom_control", "oom_kill")

    def remove(self) -> bool:
        """Takes an empty group away. False where something still lives in it: try again when that has ended."""
        for path in self.paths():
            with contextlib.suppress(OSError):
                os.rmdir(path)
        return not any(os.path.exists(path) for path in self.paths())

    def child(self, name: str) -> Cgroup:
        if self.unified:
            return Cgroup(unified=f"{self.unified}/{name}")
        return Cgroup(directories=tuple((controller, f"{path}/{name}") for controller, path in self.directories))

    def children(self) -> list[str]:
        """The names of the groups below."""
        found: set[str] = set()
        for path in self.paths():
            with contextlib.suppress(OSError):
                found.update(entry.name for entry in os.scandir(path) if entry.is_dir())
        return sorted(found)

    def _controller(self, name: str) -> str:
        return dict(self.directories).get(name, "")

    def _settings(self, limits: Limits) -> list[tuple[str, str]]:
        return self._unified_settings(limits) if self.unified else self._split_settings(limits)

    def _unified_settings(self, limits: Limits) -> list[tuple[str, str]]:
        quota = "max" if limits.cpu_limit_millis is None else str(_quota(limits.cpu_limit_millis))
        weight = 1 + (_shares(limits.cpu_request_millis) - 2) * 9999 // 262142
        return [
            (f"{self.unified}/memory.max", "max" if limits.memory_bytes is None else str(limits.memory_bytes)),
            (f"{self.unified}/cpu.max", f"{quota} {_PERIOD}"),
            (f"{self.unified}/cpu.weight", str(weight)),
        ]

    def _split_settings(self, limits: Limits) -> list[tuple[str, str]]:
        memory, cpu = self._controller("memory"), self._controller("cpu")
        limit = -1 if limits.memory_bytes is None else limits.memory_bytes
        quota = -1 if limits.cpu_limit_millis is None else _quota(limits.cpu_limit_millis)
        return [
            (f"{memory}/memory.limit_in_bytes", str(limit)),
            (f"{cpu}/cpu.cfs_quota_us", str(quota)),
            (f"{cpu}/cpu.shares", str(_shares(limits.cpu_request_millis))),
        ]


def detect(name: str) -> Cgroup | None:
    """The group ``name`` (a relative path) in which groups with limits can be made, or None. Leaves it made."""
    for base in (_unified_base(), _split_base()):
        if base is None:
            continue
        own = base.child(name)
        probe = own.child("probe")
        try:
            own.make()
            if own.unified:
                _enable(own.unified)
            probe.create(Limits(memory_bytes=1 << 30, cpu_limit_millis=1000))
        except OSError:
            own.remove()
            continue
        finally:
            probe.remove()
        return own
    return None


def ease_moves() -> None:
    """Takes upon the calling thread the wait of the next process that is moved into a group; a hint, never a fault.

    A move excludes every fork of the machine for a moment. The kernel makes that cheap for the forks: the first move
    after a quiet time waits for an RCU grace period (12 ms), those right after it do not. So this process moves to
    where it is.
    """
    with contextlib.suppress(OSError):
        for kind, options, mount in _mounts():
            for number, controllers, path in _memberships():
                ours = "memory" in controllers.split(",") and "memory" in options.split(",")
                if ours or (kind == "cgroup2" and number == "0" and "memory" in _text(f"{mount}/cgroup.controllers")):
                    _write(f"{mount}{path}/cgroup.procs", "0")
                    return


def name_for(state_dir: str) -> str:
    """The name of a node's group, the same for every process that knows the node's state directory."""
    return f"minik-{zlib.crc32(state_dir.encode()):08x}"


def sweep(name: str) -> None:
    """Takes away what a killed owner of group ``name`` has left; nothing may live in it any more."""
    for base in (_unified_base(), _split_base()):
        if base is not None:
            remove_tree(base.child(name))


def remove_tree(group: Cgroup) -> bool:
    """Takes ``group`` and all empty groups below it away. Whether nothing is left."""
    for name in group.children():
        remove_tree(group.child(name))
    return group.remove()


def _unified_base() -> Cgroup | None:
    mount = next((path for kind, _, path in _mounts() if kind == "cgroup2"), None)
    if mount is None or "memory" not in _text(f"{mount}/cgroup.controllers").split():
        return None
    own = next((row[2] for row in _memberships() if row[0] == "0"), "/")
    if os.access(f"{mount}/cgroup.procs", os.W_OK):
        return Cgroup(unified=mount)
    return Cgroup(unified=os.path.dirname(f"{mount}{own}".rstrip("/")))


def _split_base() -> Cgroup | None:
    found = []
    for kind, options, path in _mounts():
        if kind == "cgroup":
            found += [(name, path) for name in _V1_CONTROLLERS if name in options.split(",")]
    names = {name for name, _ in found}
    return Cgroup(directories=tuple(found)) if {"memory", "cpu"} <= names else None


def _enable(path: str) -> None:
    """Hands the controllers down to the children of ``path`` and of its parent."""
    for level in (os.path.dirname(os.path.dirname(path)), os.path.dirname(path), path):
        _hand_down(level)


def _hand_down(path: str) -> None:
    for controller in ("cpu", "memory", "pids"):
        with contextlib.suppress(OSError):
            _write(f"{path}/cgroup.subtree_control", f"+{controller}")


def _mounts() -> list[tuple[str, str, str]]:
    """(file system, its options, mount point) of every cgroup mount."""
    found = []
    for line in _text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind.startswith("cgroup"):
            found.append((kind, options, before.split(" ")[4]))
    return found


def _memberships() -> list[list[str]]:
    return [line.split(":", 2) for line in _text("/proc/self/cgroup").splitlines()]


def _quota(millis: int) -> int:
    return max(_LEAST_QUOTA, millis * _PERIOD // 1000)


def _shares(millis: int | None) -> int:
    return min(262_144, max(2, (millis or 0) * 1024 // 1000))


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _number(path: str) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _entry(path: str, key: str) -> int:
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.strip().isdigit():
            return int(value)
    return 0


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
