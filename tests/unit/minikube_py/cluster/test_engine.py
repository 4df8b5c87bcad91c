"""The choice of the runtime, and what is removed from an engine, against an engine that is a script."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any, Self

import pytest
from pydantic import ValidationError

from minikube_py.cluster import engine as engine_module
from minikube_py.cluster.engine import NoEngine, check_engine, remove_containers
from minikube_py.cluster.runtimes import Runtimes, choose_runtimes
from minikube_py.config.cluster import ClusterConfig

HERE = {"OSType": "linux", "KernelVersion": os.uname().release, "ServerVersion": "20.10"}


class ScriptedEngine:
    """Answers what it is told to and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, Any]] = {"/info": (200, HERE)}
        self.asked: list[str] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plain = self.path.removeprefix("/v1.41").partition("?")[0]
                script.asked.append(f"{self.command} {plain}")
                status, body = script.answers.get(plain, (404, {"message": "no such thing"}))
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_DELETE = do_GET  # noqa: N815 - the standard library's name

            def address_string(self) -> str:
                return "engine"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = UnixStreamServer(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(engine_module.os, "geteuid", lambda: 0)
    with ScriptedEngine(path) as scripted:
        yield scripted


def test_auto_takes_docker_where_it_can_be_used(engine: ScriptedEngine) -> None:
    chosen = choose_runtimes(ClusterConfig(runtime="auto"))
    assert chosen.usual == "docker"
    assert "engine 20.10 answers" in chosen.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {**HERE, "KernelVersion": "6.6-linuxkit"}), "another kernel"),
        ((200, {**HERE, "OSType": "windows"}), "another kernel"),
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


def test_an_engine_that_hangs_is_no_engine(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_PROBE_SECONDS", 0.05)
    with ScriptedEngine(Path(os.environ["DOCKER_HOST"].removeprefix("unix://") + "2")) as deaf:
        gate = threading.Event()
        deaf._server.verify_request = lambda *_: gate.wait(60)  # type: ignore[method-assign]
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
    monkeypatch.setattr(engine_module.os, "geteuid", lambda: 1000)
    assert "needs root" in choose_runtimes(ClusterConfig(runtime="auto")).reason


def test_nobody_asks_an_engine_that_nobody_wants(engine: ScriptedEngine) -> None:
    assert choose_runtimes(ClusterConfig()) == Runtimes("process")
    assert engine.asked == []


def test_nodes_of_different_runtimes(engine: ScriptedEngine) -> None:
    config = ClusterConfig(nodes=2, node_runtimes={"minik-2": "docker"})
    chosen = choose_runtimes(config)
    assert [chosen.of("minik-1"), chosen.of("minik-2")] == ["process", "docker"]
    assert engine.asked == ["GET /info"]
    with pytest.raises(ValidationError, match="no node minik-3"):
        ClusterConfig(nodes=2, node_runtimes={"minik-3": "docker"})


def test_containers_and_own_images_are_removed(engine: ScriptedEngine) -> None:
    engine.answers |= {
        "/containers/json": (200, [{"Id": "one"}, {"Id": "gone"}]),
        "/containers/one": (200, b""),
        "/images/json": (200, [{"Id": "p", "RepoTags": ["minik.local/pause:1"]}, {"Id": "old", "RepoTags": None}]),
        "/images/minik.local/pause:1": (409, {"message": "in use"}),
    }
    remove_containers(Path(os.environ["DOCKER_HOST"].removeprefix("unix://")), {"minik.cluster": "minik-1"})
    deleted = [line.partition(" ")[2] for line in engine.asked if line.startswith("DELETE")]
    assert deleted == ["/containers/one", "/containers/gone", "/images/minik.local/pause:1", "/images/old"]


def test_an_engine_that_is_away_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_containers(tmp_path / "none", {"minik.cluster": "minik-1"})
