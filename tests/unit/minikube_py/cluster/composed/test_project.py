"""A composition seen and removed through an engine that is a script."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.cluster.command import commands_of
from minikube_py.cluster.composed import project
from minikube_py.cluster.composed.project import Composition
from minikube_py.cluster.composed.settings import Settings
from minikube_py.cluster.control import ClusterNotRunning, ControlRefused
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.paths import ClusterPaths
from tests.support.scriptedengine import ScriptedEngine


def _container(service: str, number: int = 1) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.container-number": str(number)}
    return {"Id": f"{service}{number}", "State": "running", "Labels": labels}


def _inspected(*, running: bool = True) -> dict[str, Any]:
    state = {"Running": running, "Status": "running" if running else "exited", "Pid": 7 if running else 0,
             "StartedAt": "1970-01-01T00:01:40.5Z"}  # fmt: skip
    return {"State": state, "RestartCount": 2}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    answers: dict[str, tuple[int, Any]] = {
        "/containers/json": (200, [_container("apiserver"), _container("agent", 2)]),
        "/containers/apiserver1/json": (200, _inspected()),
        "/containers/agent2/json": (200, _inspected(running=False)),
        "/images/json": (200, []),
        "/networks": (200, [{"Id": "net"}]),
        "/volumes": (200, {"Volumes": [{"Name": "state"}]}),
    }
    with ScriptedEngine(tmp_path / "docker.sock", answers) as scripted:
        yield scripted


@pytest.fixture
def settings(engine: ScriptedEngine) -> Settings:
    return Settings(
        name="lab", project="lab-1", nodes=2, image="minik:x", socket=str(engine.path), agents_socket="/s",
        network="192.168.9", api_port=1, node_ports=30000, http_port=2, https_port=3, proxy_mode="auto", node_grace=40,
    )  # fmt: skip


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_the_parts_and_their_state(engine: ScriptedEngine, settings: Settings) -> None:
    told = Composition(settings).status("https://127.0.0.1:1")
    assert [(part["name"], part["pid"], part["halted"]) for part in told["parts"]] == [
        ("agent-lab-2", None, True),
        ("apiserver", 7, False),
    ]
    assert (told["started"], told["where"]) == (100.0, "in containers")


def test_removal_takes_everything_along(engine: ScriptedEngine, settings: Settings) -> None:
    records = {"pulled-images/a.json": json.dumps({"name": "example.org/a:1"}).encode(), "pulled-images/b.json": b"{"}
    engine.answers["/containers/lab-1-agent-2/archive"] = 200, _tar(records)
    Composition(settings).remove()
    assert engine.did("POST") == ["/containers/agent2/stop"], "an agent takes its node's volumes along"
    assert engine.did("DELETE") == [
        "/containers/apiserver1", "/containers/agent2", "/containers/apiserver1", "/containers/agent2",
        "/images/example.org/a:1", "/networks/net", "/volumes/state", "/images/minik:x",
    ]  # fmt: skip


def test_a_removal_without_the_engine_is_refused(tmp_path: Path, settings: Settings) -> None:
    """Its containers would come back with it, and nobody would know them."""
    gone = Settings(
        **{**{name: getattr(settings, name) for name in settings.__slots__}, "socket": str(tmp_path / "no")}
    )
    with pytest.raises(NoEngine, match="does not answer"):
        Composition(gone).remove()


def test_commands(engine: ScriptedEngine, settings: Settings, tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path / "lab", 0)
    settings.save(paths)
    with pytest.raises(ClusterNotRunning, match="on their way"):
        commands_of(paths)
    paths.kubeconfig.write_text("clusters: [{cluster: {server: 'https://127.0.0.1:1'}}]")
    commands = commands_of(paths)
    assert commands.status()["server"] == "https://127.0.0.1:1"
    engine.answers["/containers/agent2/start"] = 304, b""
    commands.order("start-node", "lab-2")
    with pytest.raises(ControlRefused, match="no node lab-1"):
        commands.order("start-node", "lab-1")
    with pytest.raises(ControlRefused, match="not cut off"):
        commands.order("unplug-node", "lab-2")
    engine.answers["/containers/json"] = 200, []
    with pytest.raises(ClusterNotRunning):
        commands.status()


def test_compose_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Version 1, a plugin that is not there, and a program that fails."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(
        project.shutil, "which", lambda name: str(tmp_path / name) if name == "docker-compose" else None
    )
    program = tmp_path / "docker-compose"
    program.write_text('#!/bin/sh\n[ "$1" = version ] && { echo 1.29.2; exit; }\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(NoEngine, match="Compose 2"):
        Composition(settings).command()
    program.write_text('#!/bin/sh\n[ "$1" = version ] && { echo 2.30.0; exit; }\necho port is taken >&2\nexit 1\n')
    with pytest.raises(project.ComposeFailed, match="port is taken"):
        Composition(settings).start(60)
    program.write_text('#!/bin/sh\n[ "$1" = version ] && { echo 2.30.0; exit; }\nexec sleep 600\n')
    with pytest.raises(TimeoutError, match="not up"):
        Composition(settings).start(0.01)
