"""A running composition: brought up by Compose, looked at and removed through the engine.

Removal asks for nothing but the engine and the labels on everything, so that it works after any crash, half-way, and
where the Compose program is gone.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from minikube_py.cluster.composed.settings import Settings
from minikube_py.cluster.control import Answer, ControlRefused
from minikube_py.cluster.engine import LABEL, NODE_LABEL, remove_containers
from minikube_py.cluster.engineapi import EngineAPI, NoEngine

COMPOSE_FILE: Final = Path(__file__).with_name("compose.yaml")
_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
_NUMBER: Final = "com.docker.compose.container-number"
_SECONDS: Final = 60.0
#: An agent ends its node in order within this, in seconds.
_STOP_SECONDS: Final = 15
_HELP: Final = (
    "a cluster whose parts are containers is brought up by Docker Compose 2, and there is no `docker compose`"
)


class ComposeFailed(Exception):
    """Compose ended with an error; the message is its last words."""


class Composition:
    """The project of Compose that ``settings`` describe. All methods raise NoEngine where the engine is away."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engine = EngineAPI(Path(settings.socket), _SECONDS)

    # -- up -------------------------------------------------------------------------------------------------

    def has_image(self) -> bool:
        return self._engine.file(f"/images/{self.settings.image}/json") is not None

    def load_image(self, archive: bytes) -> None:
        self._engine.post("/images/load", archive, quiet=1)

    def start(self, timeout: float) -> None:
        """Every container is there and healthy. Raises ComposeFailed, TimeoutError after ``timeout`` seconds."""
        agents = f"agent={self.settings.nodes}"
        command = [*self.command(), "up", "--detach", "--wait", "--quiet-pull", "--scale", agents]
        try:
            done = subprocess.run(
                command,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"not up after {timeout:.0f} seconds: see `minik status` and `minik logs`") from error
        if done.returncode:
            raise ComposeFailed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])

    def kubeconfig(self) -> bytes:
        """As the API server has written it."""
        found = self._files("apiserver", 1, self.settings.inside.kubeconfig)
        return next(iter(found.values()))

    def command(self) -> list[str]:
        """Compose with its file; run it in ``environment()``. Raises NoEngine where it is not installed."""
        return [*_program(), "--file", str(COMPOSE_FILE)]

    def environment(self) -> dict[str, str]:
        return os.environ | self.settings.environment()

    # -- while it runs --------------------------------------------------------------------------------------

    def is_running(self) -> bool:
        return any(
            each["Labels"][_SERVICE] == "apiserver" and each["State"] == "running" for each in self._containers()
        )

    def status(self, server: str) -> Answer:
        """As a supervisor tells it."""
        parts = [self._part(each) for each in self._containers()]
        started = [part["started"] for part in parts if part["started"]]
        return {
            "name": self.settings.name,
            "started": min(started, default=0.0),
            "server": server,
            "runtime": "docker",
            "where": "in containers",
            "outside": f"node ports {self.settings.node_port_range} on 127.0.0.1, load balancers' ports 80 and 443 at "
            f"{self.settings.http_port} and {self.settings.https_port}",
            "parts": sorted(parts, key=lambda part: str(part["name"])),
        }

    def stop_node(self, node: str) -> None:
        """The plug is pulled: agent and pods end at once. Raises ControlRefused for an unknown node."""
        self._engine.post(f"/containers/{self._agent(node)['Id']}/stop", t=0)
        remove_containers(Path(self.settings.socket), {LABEL: self.settings.inside.label, NODE_LABEL: node})

    def start_node(self, node: str) -> None:
        """Raises ControlRefused for an unknown node."""
        self._engine.post(f"/containers/{self._agent(node)['Id']}/start")

    # -- down -----------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """All containers, pods, volumes, networks and images that this cluster has brought."""
        ours = self._containers()
        agents = [each for each in ours if each["Labels"][_SERVICE] == "agent"]
        pulled = {name for each in agents for name in self._pulled(each)}
        self._end(each["Id"] for each in agents)
        for container in ours:
            self._engine.delete(f"/containers/{container['Id']}", force=1, v=1)
        remove_containers(Path(self.settings.socket), {LABEL: self.settings.inside.label}, pulled)
        for network in self._engine.get("/networks", filters=self._filter()):
            self._engine.delete(f"/networks/{network['Id']}")
        for volume in self._engine.get("/volumes", filters=self._filter())["Volumes"] or ():
            self._engine.delete(f"/volumes/{volume['Name']}", force=1)
        self._engine.delete(f"/images/{self.settings.image}")

    def _end(self, containers: Iterable[str]) -> None:
        """In order, together: an agent takes its pods and their volumes along."""

        def end(container: str) -> None:
            with suppress(NoEngine):  # it is removed by force next
                self._engine.post(f"/containers/{container}/stop", t=_STOP_SECONDS)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(end, containers))

    def _pulled(self, agent: Mapping[str, Any]) -> Iterator[str]:
        """The names of images that the node has made the engine pull (its own records)."""
        node = f"{self.settings.name}-{agent['Labels'][_NUMBER]}"
        records = self._files("agent", int(agent["Labels"][_NUMBER]), self.settings.inside.pulled_images(node))
        for path, data in records.items():
            if path.endswith(".json"):
                with suppress(ValueError, KeyError):
                    yield str(json.loads(data)["name"])

    # -- looking --------------------------------------------------------------------------------------------

    def _containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._engine.get("/containers/json", all=1, filters=self._filter())
        return found

    def _filter(self) -> dict[str, list[str]]:
        return {"label": [f"{_PROJECT}={self.settings.project}"]}

    def _agent(self, node: str) -> dict[str, Any]:
        for each in self._containers():
            told = each["Labels"]
            if told[_SERVICE] == "agent" and f"{self.settings.name}-{told[_NUMBER]}" == node:
                return each
        raise ControlRefused(f"there is no node {node}")

    def _part(self, container: Mapping[str, Any]) -> dict[str, Any]:
        data = self._engine.get(f"/containers/{container['Id']}/json")
        service, number = container["Labels"][_SERVICE], container["Labels"][_NUMBER]
        running = data["State"]["Running"]
        return {
            "name": f"agent-{self.settings.name}-{number}" if service == "agent" else service,
            "pid": data["State"]["Pid"] or None,
            "restarts": data["RestartCount"],
            "halted": data["State"]["Status"] == "exited",
            "started": _seconds(data["State"]["StartedAt"]) if running else None,
        }

    def _files(self, service: str, number: int, path: Path) -> dict[str, bytes]:
        """The files at ``path`` in a container, running or not, by their names."""
        container = f"{self.settings.project}-{service}-{number}"
        data = self._engine.file(f"/containers/{container}/archive", path=str(path))
        if data is None:
            return {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            opened = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: file.read() for name, file in opened if file is not None}


def _program() -> list[str]:
    """Docker's plugin, else the program of that name. Raises NoEngine where neither is of version 2."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        told = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
        if told.returncode == 0 and not told.stdout.startswith("1."):
            return command
    raise NoEngine(_HELP)


def _seconds(stamp: str) -> float:
    """Of the engine's RFC 3339 in UTC."""
    return datetime.fromisoformat(stamp.rstrip("Z").partition(".")[0] + "+00:00").timestamp()
