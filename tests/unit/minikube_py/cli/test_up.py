"""What `minik up` says when something is not as usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pytest import MonkeyPatch

from minikube_py.cli import up as module
from minikube_py.cluster.kubeconfig import read, write
from minikube_py.cluster.lock import AlreadyRunning
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.plan import ClusterPlan, make_plan
from minikube_py.cluster.progress import Progress
from minikube_py.cluster.runtimes import Runtimes
from minikube_py.config.cluster import ClusterConfig

OURS: dict[str, Any] = {
    "clusters": [{"name": "minik", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "minik", "user": {}}],
    "contexts": [{"name": "minik", "context": {"cluster": "minik", "user": "minik"}}],
    "current-context": "minik",
}


@dataclass
class ScriptedLaunch:
    """A launch whose progress is known beforehand."""

    lines: list[Progress | BaseException]
    plan: ClusterPlan = field(
        default_factory=lambda: make_plan(ClusterConfig(), ClusterPaths.of("minik"), Runtimes("process"))
    )
    note: str = ""
    waited: list[float] = field(default_factory=list)

    def progress(self, timeout: float) -> Iterator[Progress]:
        self.waited.append(timeout)
        for line in self.lines:
            if isinstance(line, BaseException):
                raise line
            yield line


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIK_HOME", str(tmp_path / "m"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path / "kubeconfig"


def launching(monkeypatch: MonkeyPatch, *lines: Progress | BaseException) -> ScriptedLaunch:
    begun = ScriptedLaunch(list(lines))
    monkeypatch.setattr(module, "launch", lambda _config: begun)
    return begun


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (["--nodes", "0"], "--nodes"),
        (["--nodes", "500"], "--nodes"),
        (["--node-grace", "0"], "--node-grace"),
        (["--api-port", "70000"], "--api-port"),
        (["--node-runtime", "minik-9=docker"], "--node-runtime"),
        (["--node-runtime", "minik-1=podman"], "--node-runtime"),
        (["--name", "Not_A_Label"], "--name"),
    ],
)
@pytest.mark.usefixtures("user_file")
def test_what_is_wrong_is_said_of_the_option(typed: list[str], option: str) -> None:
    done = CliRunner().invoke(module.up, typed)
    assert done.exit_code == 2
    assert f"Invalid value for {option}: " in done.output.replace("'", "")


def test_no_wait_still_waits_for_the_kubeconfig(user_file: Path, monkeypatch: MonkeyPatch) -> None:
    begun = launching(monkeypatch, Progress("started", "control plane and agents started"))
    write(ClusterPaths.of("minik").kubeconfig, OURS)
    done = CliRunner().invoke(module.up, ["--wait", "0"])
    assert (done.exit_code, begun.waited) == (0, [0.0])
    assert 'Cluster "minik" is starting' in done.output
    assert read(user_file)["current-context"] == "minik"


@pytest.mark.usefixtures("user_file")
def test_a_person_who_presses_control_c_is_told_what_goes_on(monkeypatch: MonkeyPatch) -> None:
    launching(monkeypatch, Progress("step", "one"), KeyboardInterrupt())
    done = CliRunner().invoke(module.up, [])
    assert done.exit_code == 1
    assert "goes on starting" in done.output


def test_one_that_another_command_is_starting_is_left_alone(user_file: Path, monkeypatch: MonkeyPatch) -> None:
    def launch(_config: ClusterConfig) -> ScriptedLaunch:
        raise AlreadyRunning("running")

    monkeypatch.setattr(module, "launch", launch)
    done = CliRunner().invoke(module.up, [])
    assert (done.exit_code, user_file.exists()) == (0, False)
    assert "goes on starting" in done.output
    write(ClusterPaths.of("minik").kubeconfig, OURS)
    assert "already running at https://127.0.0.1:1" in CliRunner().invoke(module.up, []).output
    assert read(user_file)["current-context"] == "minik"
