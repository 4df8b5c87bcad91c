"""The small pieces of supervision: restarts, the control socket, progress, removal."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minikube_py.cluster.control import ClusterNotRunning, ControlRefused, ControlServer, ask
from minikube_py.cluster.progress import Progress, ProgressWriter, read_progress
from minikube_py.cluster.removal import remove_tree
from minikube_py.cluster.restarts import RestartPolicy
from minikube_py.cluster.supervisor import Supervisor


def test_a_part_comes_back_at_once_then_ever_later() -> None:
    policy = RestartPolicy()
    assert [policy.delay(now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.0, 0.1, 0.2, 0.4]
    for now in range(4, 14):
        delay = policy.delay(float(now))
    assert delay == 10.0
    assert policy.restarts == 14


def test_a_part_that_ran_well_is_forgiven() -> None:
    policy = RestartPolicy()
    policy.delay(0.0)
    assert policy.delay(1.0) > 0
    assert policy.delay(100.0) == 0.0


def _serve_once(server: ControlServer) -> threading.Thread:
    thread = threading.Thread(target=server.serve)
    thread.start()
    return thread


def _handler(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if command == "no":
        raise ControlRefused("because")
    return {"command": command, **arguments}


def test_control_answers_and_refuses(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "control", _handler)
    thread = _serve_once(server)
    assert ask(tmp_path / "control", "say", word="x") == {"command": "say", "word": "x"}
    thread.join()
    thread = _serve_once(server)
    with pytest.raises(ControlRefused, match="because"):
        ask(tmp_path / "control", "no")
    thread.join()
    server.close()
    with pytest.raises(ClusterNotRunning):
        ask(tmp_path / "control", "say")


def test_progress_is_read_as_it_was_written() -> None:
    read_end, write_end = os.pipe()
    writer = ProgressWriter(write_end)
    writer.step("one")
    writer.ready("two")
    with os.fdopen(read_end, "rb") as pipe:
        assert list(read_progress(pipe)) == [Progress("step", "one"), Progress("ready", "two")]


def test_a_reader_that_left_stops_nobody() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    writer = ProgressWriter(write_end)
    writer.step("one")
    writer.ready("two")


def test_removal_goes_through_closed_directories(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "work" / "inner").mkdir(parents=True)
    (tree / "work" / "inner" / "file").touch()
    (tree / "link").symlink_to("/etc")
    (tree / "work" / "inner").chmod(0)
    (tree / "work").chmod(0o500)
    remove_tree(tree)
    remove_tree(tree)
    assert not tree.exists()


class Assembled:
    """A cluster of three nodes without any; ``way`` is the node that ClusterIPs are asked of."""

    READINESS = "readiness"

    def __init__(self) -> None:
        nodes = tuple(SimpleNamespace(name=f"lab-{number}") for number in (1, 2, 3))
        self.plan = SimpleNamespace(nodes=nodes, name="lab")
        self.network = SimpleNamespace(plug=lambda _: None, unplug=lambda _: None)
        self.way = ""

    def names_of_node(self, node: str) -> tuple[str, ...]:
        return (f"agent-{node}", f"machine-{node}")

    def switch_off(self, node: str) -> None:
        pass

    def machines(self) -> list[Any]:
        return []

    parts = machines

    def route_services(self, nodes: list[str]) -> None:
        self.way = nodes[0] if nodes else self.way


def test_the_hosts_way_to_services_avoids_every_node_that_is_off_or_cut_off() -> None:
    cluster: Any = Assembled()
    supervisor: Any = Supervisor(cluster, Any)  # type: ignore[arg-type]
    ways = [
        (supervisor._obey(command, {"node": f"lab-{number}"}), cluster.way)[1]
        for command, number in (
            ("unplug-node", 1), ("stop-node", 2), ("plug-node", 1), ("unplug-node", 1), ("start-node", 2),
            ("unplug-node", 2), ("unplug-node", 3), ("plug-node", 3), ("plug-node", 1),
        )
    ]  # fmt: skip
    assert ways == ["lab-2", "lab-3", "lab-1", "lab-3", "lab-2", "lab-3", "lab-3", "lab-3", "lab-1"]


def test_who_waits_is_told_of_a_part_that_does_not_stay_up() -> None:
    read_end, write_end = os.pipe()
    supervisor: Any = Supervisor(Assembled(), ProgressWriter(write_end))  # type: ignore[arg-type]
    supervisor._selector = SimpleNamespace(unregister=lambda _: None)
    for _ in range(7):
        supervisor._children["apiserver"] = SimpleNamespace(part=None, pidfd=-1, reap=lambda: 1)
        supervisor._policies.setdefault("apiserver", RestartPolicy())
        supervisor._ended("apiserver")
    with os.fdopen(read_end, "rb") as pipe:
        (told,) = read_progress(pipe)
    assert (told.kind, told.text) == ("failed", "apiserver does not stay up: see `minik logs --name lab apiserver`")
