"""A cluster whose parts are containers of a private engine, brought up by `minik up` for somebody who may use it and is
not root. It is driven as the other clusters of the tests are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from minikube_py.cluster.composed.settings import saved_settings
from minikube_py.cluster.paths import ClusterPaths
from tests.support.engine import PrivateEngine
from tests.support.minik import CLIENTS, ROOT, MinikCluster


def need_compose() -> str:
    """The program; skips the test where there is none."""
    fetched = CLIENTS / "docker-compose"
    found = str(fetched) if fetched.exists() else shutil.which("docker-compose")
    if found is None or "v1" in subprocess.run([found, "version"], capture_output=True, text=True).stdout[:40]:
        pytest.skip("no Compose 2: run `python tools/fetch_compose.py .clients`")
    return found


class ComposeCluster(MinikCluster):
    """A cluster whose parts are containers. Commands run in the engine's network namespace: its ports are there."""

    def __init__(self, home: Path, engine: PrivateEngine, *, name: str, user: str | None = None) -> None:
        super().__init__(home, name=name, user=user, netns=f"/proc/{engine.pid}/ns/net")
        self.engine = engine
        self._program = need_compose()

    @property
    def environment(self) -> dict[str, str]:
        usual = super().environment
        told = {"DOCKER_HOST": f"unix://{self.engine.socket}", "PATH": f"{Path(self._program).parent}:{usual['PATH']}"}
        return usual | told | self._settings

    @property
    def _settings(self) -> dict[str, str]:
        """What Compose is told about a cluster that is there."""
        found = saved_settings(ClusterPaths(self.home / "m" / "clusters" / self.name))
        return found.environment() if found is not None else {}

    def compose(self, *arguments: str, timeout: float = 180) -> str:
        file = str(ROOT / "compose" / "compose.yaml")
        return self.run(self._program, "-f", file, *arguments, timeout=timeout).stdout

    def start(self, *, agents: int) -> str:
        """Brings it up."""
        return self.minik(
            "up", "--name", self.name, "--nodes", str(agents), "--runtime", "docker", "--wait", "300", timeout=480
        ).stdout

    def kill(self, service: str, number: int = 1) -> None:
        """Kills the container's process, as a crash does: the engine does not know that anybody wanted it."""
        name = f"{self._settings['COMPOSE_PROJECT_NAME']}-{service}-{number}"
        os.kill(int(self.engine.docker("inspect", "-f", "{{.State.Pid}}", name)), 9)
