"""The cluster of ``compose/`` on a private engine, driven as the other clusters of the tests are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    """A project of Compose. Commands run in the engine's network namespace: its published ports are there."""

    def __init__(self, home: Path, engine: PrivateEngine, *, name: str) -> None:
        super().__init__(home, name=name)
        self.engine = engine
        self._program = need_compose()

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "DOCKER_HOST": f"unix://{self.engine.socket}",
            "DOCKER_SOCKET": str(self.engine.socket),
            "COMPOSE_PROJECT_NAME": self.name,
        }

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        inside = ("nsenter", f"--net=/proc/{self.engine.pid}/ns/net", "--", *argv)
        return super().run(*inside, check=check, stdin=stdin, timeout=timeout)

    def compose(self, *arguments: str, timeout: float = 180) -> str:
        file = str(ROOT / "compose" / "compose.yaml")
        return self.run(self._program, "-f", file, *arguments, timeout=timeout).stdout

    def build(self) -> None:
        """The image, from this checkout, straight into the engine."""
        command = [sys.executable, str(ROOT / "compose" / "build_image.py")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as building:
            subprocess.run(["docker", "load"], stdin=building.stdout, env=os.environ | self.environment, check=True,
                           capture_output=True)  # fmt: skip
        assert building.returncode == 0

    def start(self, *, agents: int) -> None:
        """As the README says it, and the kubeconfig with it."""
        self.compose("up", "--wait", "--detach", "--scale", f"agent={agents}")
        self.kubeconfig.write_text(self.compose("exec", "-T", "apiserver", "minik", "kubeconfig", "--name", self.name))

    def down(self) -> str:
        return self.compose("down", "--volumes", "--timeout", "20")

    def kill(self, service: str, number: int = 1) -> None:
        """Kills the container's process, as a crash does: the engine does not know that anybody wanted it."""
        name = f"{self.name}-{service}-{number}"
        os.kill(int(self.engine.docker("inspect", "-f", "{{.State.Pid}}", name)), 9)
