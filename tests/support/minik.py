"""A real cluster for a test: `minik up` in a home of its own, driven by `minik` and by real kubectls."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / ".clients"
UNPRIVILEGED = "minik-tester"

T = TypeVar("T")


def kubectls() -> list[str]:
    """The kubectls to test with: those that tools/fetch_clients.py fetched, else the one on the PATH."""
    fetched = sorted(str(path) for path in CLIENTS.glob("kubectl-*"))
    return fetched or [path for path in [shutil.which("kubectl")] if path]


def need_kubectl() -> str:
    """The newest kubectl; skips the test where there is none."""
    found = kubectls()
    if not found:
        pytest.skip("no kubectl: run `python tools/fetch_clients.py .clients`")
    return found[-1]


def eventually(check: Callable[[], T], *, within: float = 60.0, what: str = "") -> T:
    """The first true result of ``check``. For effects in another process that announce themselves to nobody."""
    deadline = time.monotonic() + within
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or check} did not come true within {within:.0f} s: last was {result!r}")
        time.sleep(0.02)


def unreachable_for(user: str) -> str | None:
    """Why ``user`` cannot run minik, or None. Call it as root."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return f"no ordinary user to run as: `useradd --create-home {user}`"
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", sys.executable, "-c", "import agent"]
    readable = subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    return None if readable else f"{user} cannot read this checkout and its interpreter"


class MinikCluster:
    """One cluster under one directory.

    ``user`` runs every command as that ordinary user; ``netns``, the path of a network namespace, inside it.
    """

    def __init__(self, home: Path, *, name: str = "minik", user: str | None = None, netns: str | None = None) -> None:
        self.home = home
        self.name = name
        self.user = user
        self.netns = netns
        self.kubeconfig = home / "kubeconfig"

    # -- running things -------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "DOCKER_HOST")}
        return kept | {"HOME": str(self.home), "MINIK_HOME": str(self.home / "m"), "KUBECONFIG": str(self.kubeconfig)}

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        command = list(argv)
        if self.user is not None:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--", *command]
        if self.netns is not None:
            command = ["nsenter", f"--net={self.netns}", "--", *command]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=timeout, cwd=self.home
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)} exited {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def minik(self, *argv: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return self.run(str(Path(sys.executable).parent / "minik"), *argv, check=check, timeout=timeout)

    def kubectl(
        self, *argv: str, check: bool = True, stdin: str | None = None, binary: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return self.run(binary or need_kubectl(), *argv, check=check, stdin=stdin, timeout=timeout)

    @contextmanager
    def following(self, *argv: str, seconds: int = 60) -> Iterator[IO[str]]:
        """The standard output of a kubectl that goes on running; it is ended with the block, or after ``seconds``."""
        command = ["timeout", str(seconds), need_kubectl(), *argv]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout
            finally:
                process.terminate()

    # -- the cluster ----------------------------------------------------------------------------------------

    def up(self, *, nodes: int = 3, extra: Sequence[str] = ()) -> str:
        return self.minik("up", "--name", self.name, "--nodes", str(nodes), *extra).stdout

    def down(self) -> str:
        return self.minik("down", "--name", self.name).stdout

    def logs(self) -> str:
        return self.minik("logs", "--name", self.name, "--tail", "60", check=False).stdout

    def parts(self) -> dict[str, int]:
        """Part name -> pid, of the running parts."""
        return {part["name"]: part["pid"] for part in self.control("status")["parts"] if part["pid"]}

    def control(self, command: str, **arguments: Any) -> dict[str, Any]:
        from minikube_py.cluster.control import ask

        return ask(self.home / "m" / "clusters" / self.name / "run" / "control", command, **arguments)

    # -- objects --------------------------------------------------------------------------------------------

    def get(self, *what: str) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.kubectl("get", *what, "-o", "json").stdout)
        return parsed

    def cluster_ip(self, service: str, *, namespace: str = "default") -> str:
        """Clusters that run at the same time have ranges of their own: no test knows an address beforehand."""
        return str(self.get("service", service, "-n", namespace)["spec"]["clusterIP"])

    def network(self) -> dict[str, Any]:
        """Its ranges, as its parts were told them."""
        told = json.loads((self.home / "m" / "clusters" / self.name / "cluster.json").read_text())
        found: dict[str, Any] = told["network"]
        return found

    def apply(self, manifest: str, *, namespace: str = "default") -> None:
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)

    def exec(self, pod: str, *argv: str, namespace: str = "default", check: bool = True) -> str:
        return self.kubectl("exec", "-n", namespace, pod, "--", *argv, check=check).stdout
