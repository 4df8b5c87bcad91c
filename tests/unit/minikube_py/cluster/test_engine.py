"""The choice of the runtime, and what is removed from an engine, against an engine that is a script."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.cluster import engine as engine_module
from minikube_py.cluster.engine import check_engine, remove_containers
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.runtimes import Runtimes, choose_runtimes
from minikube_py.config.cluster import ClusterConfig
from tests.support.scriptedengine import ScriptedEngine

HERE = {"OSType": "linux", "KernelVersion": os.uname().release, "ServerVersion": "20.10"}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(engine_module.os, "geteuid", lambda: 0)
    with ScriptedEngine(path, {"/info": (200, HERE)}) as scripted:
        yield scripted


def test_auto_takes_docker_where_it_can_be_used(engine: ScriptedEngine) -> None:
    chosen = choose_runtimes(ClusterConfig(runtime="auto"))
    assert chosen.usual == "docker"
    assert "engine 20.10 answers" in chosen.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {**HERE, "OSType": "windows"}), "no Linux containers"),
        ((500, {"message": "out of order"}), "refuses: out of order"),
        ((200, b"<html>"), "no Docker engine"),
    ],
)
def test_auto_takes_processes_elsewhere_and_says_why(
    engine: ScriptedEngine, answer: tuple[int, Any], reason: str
) -> None:
    engine.answers["/info"] = answer
    chosen = choose_runtimes(ClusterConfig(runtime="auto"))
    assert chosen.usual == "process"
    assert reason in chosen.reason
    with pytest.raises(NoEngine, match="use `--runtime process`"):
        choose_runtimes(ClusterConfig(runtime="docker"))


def test_parts_become_containers_where_pods_cannot_be_wired(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker Desktop's engine, and an ordinary user who may use the engine."""
    engine.answers["/info"] = (200, {**HERE, "KernelVersion": "6.6-linuxkit"})
    for reason in ("another kernel", "needs root"):
        chosen = choose_runtimes(ClusterConfig(runtime="docker", nodes=2, node_runtimes={"minik-2": "docker"}))
        assert (chosen.usual, chosen.composed) == ("docker", True)
        assert reason in chosen.reason
        assert not choose_runtimes(ClusterConfig(runtime="auto")).composed
        with pytest.raises(NoEngine, match=f"{reason}.*use `--runtime process`"):
            choose_runtimes(ClusterConfig(runtime="docker", nodes=2, node_runtimes={"minik-2": "process"}))
        monkeypatch.setattr(engine_module.os, "geteuid", lambda: 1000)
        engine.answers["/info"] = (200, HERE)


def test_an_engine_that_hangs_is_no_engine(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_PROBE_SECONDS", 0.05)
    with ScriptedEngine(Path(os.environ["DOCKER_HOST"].removeprefix("unix://") + "2"), {}) as deaf:
        gate = threading.Event()
        deaf.server.verify_request = lambda *_: gate.wait(60)  # type: ignore[method-assign]
        monkeypatch.setenv("DOCKER_HOST", os.environ["DOCKER_HOST"] + "2")
        with pytest.raises(NoEngine, match="does not answer"):
            check_engine()
        gate.set()


def test_ordinary_users_and_machines_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert "there is no Docker engine" in choose_runtimes(ClusterConfig(runtime="auto")).reason
    monkeypatch.setenv("DOCKER_HOST", "tcp://somewhere:2376")
    assert "not on this machine" in choose_runtimes(ClusterConfig(runtime="auto")).reason
    (tmp_path / "none").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert "does not answer" in choose_runtimes(ClusterConfig(runtime="auto")).reason


def test_nobody_asks_an_engine_that_nobody_wants(engine: ScriptedEngine) -> None:
    assert choose_runtimes(ClusterConfig()) == Runtimes("process")
    assert engine.asked == []


def test_nodes_of_different_runtimes(engine: ScriptedEngine) -> None:
    config = ClusterConfig(nodes=2, node_runtimes={"minik-2": "docker"})
    chosen = choose_runtimes(config)
    assert [chosen.of("minik-1"), chosen.of("minik-2")] == ["process", "docker"]
    assert engine.asked == ["GET /info"]
    with pytest.raises(ValueError, match="no node minik-3"):
        ClusterConfig(nodes=2, node_runtimes={"minik-3": "docker"})


def test_containers_and_own_images_are_removed(engine: ScriptedEngine) -> None:
    engine.answers |= {
        "/containers/json": (200, [{"Id": "one"}, {"Id": "gone"}]),
        "/containers/one": (200, b""),
        "/images/json": (200, [{"Id": "p", "RepoTags": ["minik.local/pause:1"]}, {"Id": "old", "RepoTags": None}]),
        "/images/minik.local/pause:1": (409, {"message": "in use"}),
    }
    remove_containers(Path(os.environ["DOCKER_HOST"].removeprefix("unix://")), {"minik.cluster": "minik-1"})
    assert engine.did("DELETE") == ["/containers/one", "/containers/gone", "/images/minik.local/pause:1", "/images/old"]


def test_an_engine_that_is_away_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_containers(tmp_path / "none", {"minik.cluster": "minik-1"})
