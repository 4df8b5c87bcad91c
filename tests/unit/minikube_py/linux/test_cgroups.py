"""Control groups: arithmetic on a made-up tree, and the real thing where it can be had."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from minikube_py.linux import cgroups
from minikube_py.linux.cgroups import Cgroup, Limits


def _split(tmp_path: Path) -> Cgroup:
    return Cgroup(directories=tuple((name, str(tmp_path / name)) for name in ("memory", "cpu", "cpuacct", "pids")))


def test_limits_of_version_two(tmp_path: Path) -> None:
    group = Cgroup(unified=str(tmp_path / "own"))
    group.create(Limits(cpu_request_millis=500, cpu_limit_millis=250, memory_bytes=1 << 20))
    read = {path.name: path.read_text() for path in (tmp_path / "own").iterdir()}
    assert read == {"memory.max": "1048576", "cpu.max": "25000 100000", "cpu.weight": "20"}


def test_limits_of_version_one(tmp_path: Path) -> None:
    group = _split(tmp_path).child("own")
    group.create(Limits(cpu_request_millis=1000, cpu_limit_millis=2000, memory_bytes=4096))
    assert (tmp_path / "memory/own/memory.limit_in_bytes").read_text() == "4096"
    assert (tmp_path / "cpu/own/cpu.cfs_quota_us").read_text() == "200000"
    assert (tmp_path / "cpu/own/cpu.shares").read_text() == "1024"


@pytest.mark.parametrize(("millis", "shares", "quota"), [(1, 2, 1000), (100, 102, 10_000), (10**6, 262_144, 10**8)])
def test_bounds(millis: int, shares: int, quota: int) -> None:
    assert (cgroups._shares(millis), cgroups._quota(millis)) == (shares, quota)


def test_accounting(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 7\nuser_usec 3\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 400\n")
    (tmp_path / "memory.events").write_text("oom 1\noom_kill 2\n")
    group = Cgroup(unified=str(tmp_path))
    assert (group.cpu_nanoseconds(), group.memory_bytes(), group.oom_kills()) == (7000, 600, 2)
    assert Cgroup(unified=str(tmp_path / "gone")).memory_bytes() == 0


def test_removal_takes_empty_groups_only(tmp_path: Path) -> None:
    group = _split(tmp_path)
    group.child("a").child("b").create(Limits())
    (tmp_path / "cpu/a/busy").touch()
    cgroups.remove_tree(group.child("a"))
    assert not (tmp_path / "memory/a").exists()
    assert (tmp_path / "cpu/a").exists()


def test_the_real_thing(tmp_path: Path) -> None:
    own = cgroups.detect(f"minik-test-{os.getpid()}")
    if own is None:
        pytest.skip("no control groups can be made here")
    group = own.child("one")
    try:
        group.create(Limits(memory_bytes=64 << 20, cpu_limit_millis=500))
        subprocess.run(["true"], check=True, preexec_fn=group.join)
        assert group.cpu_nanoseconds() > 0
        assert group.oom_kills() == 0
    finally:
        cgroups.remove_tree(own)
    assert not any(os.path.exists(path) for path in own.paths())


def test_easing_moves_leaves_everybody_where_they_are() -> None:
    groups = Path("/proc/self/cgroup").read_text()
    cgroups.ease_moves()
    assert Path("/proc/self/cgroup").read_text() == groups
