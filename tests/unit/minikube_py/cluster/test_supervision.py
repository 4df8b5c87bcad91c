"""The small pieces of supervision: restarts, the control socket, progress, removal."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from minikube_py.cluster.control import ClusterNotRunning, ControlRefused, ControlServer, ask
from minikube_py.cluster.progress import Progress, ProgressWriter, read_progress
from minikube_py.cluster.removal import remove_tree
from minikube_py.cluster.restarts import RestartPolicy


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
