"""The Docker engine as a command sees it: is there one that a cluster can use, and what of a cluster is still in it.

Pods are the agents' business (``agent/runtime/docker``); here is only what `minik up` must know before and `minik down`
must remove after them. Everything the agents make carries the label ``minik.cluster``. A few plain calls of the Engine
API over its Unix socket: no SDK is imported for them.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

LABEL: Final = "minik.cluster"
NODE_LABEL: Final = "minik.node"
#: Marks the images that agents make for themselves: the pause program and the built-in ones.
_OWN_IMAGES: Final = "minik.kind"
_DEFAULT: Final = "unix:///var/run/docker.sock"
_API: Final = "/v1.41"
#: An engine that is alive answers within milliseconds; removing a container takes it longer.
_PROBE_SECONDS: Final = 3.0
_REMOVAL_SECONDS: Final = 60.0


class NoEngine(Exception):
    """No usable Docker engine; the message says why, and nothing of what to do instead."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """A usable engine: where it listens, what it is."""

    socket: Path
    version: str


def engine_socket() -> Path:
    """The engine's Unix socket, from $DOCKER_HOST or the default place. Raises NoEngine for a remote engine."""
    url = os.environ.get("DOCKER_HOST") or _DEFAULT
    if not url.startswith("unix://"):
        raise NoEngine(f"the Docker engine at {url} is not on this machine")
    return Path(url.removeprefix("unix://"))


def check_engine() -> EngineFacts:
    """An engine whose containers a cluster of this process' user can wire. Raises NoEngine.

    Asked of the engine itself: it must answer soon, and run on this very kernel (Docker Desktop's does not), for pods
    are wired through the network namespaces of its containers.
    """
    path = engine_socket()
    if not path.exists():
        raise NoEngine(f"there is no Docker engine at {path}")
    if os.geteuid() != 0:
        raise NoEngine("wiring Docker containers into the cluster's network needs root")
    told = _Connection(path, _PROBE_SECONDS).get("/info")
    if told.get("OSType") != "linux" or told.get("KernelVersion") != os.uname().release:
        raise NoEngine(f"the Docker engine at {path} runs its containers on another kernel")
    return EngineFacts(path, str(told.get("ServerVersion") or "unknown"))


def container_labels(path: Path, container: str) -> Mapping[str, str]:
    """The labels of a container, by its id or name. Raises NoEngine."""
    told: Mapping[str, str] = _Connection(path, _PROBE_SECONDS).get(f"/containers/{container}/json")["Config"]["Labels"]
    return told


def remove_containers(path: Path, labels: Mapping[str, str], pulled: Iterable[str] = ()) -> None:
    """Removes every container with all these labels, running or not; then the images that pods made the engine pull
    (``pulled``) and the agents' own, where nobody else has containers of them.

    Nothing is done while the engine is away. Raises NoEngine where it goes away.
    """
    engine = _Connection(path, _REMOVAL_SECONDS)
    wanted = [f"{name}={value}" for name, value in labels.items()]
    try:
        found = engine.get("/containers/json", all=1, filters={"label": wanted})
    except NoEngine:
        return
    for container in found:
        engine.delete(f"/containers/{container['Id']}", force=1, v=1)
    for name in pulled:
        engine.delete(f"/images/{name}")
    for image in engine.get("/images/json", filters={"label": [_OWN_IMAGES]}):
        names = [name for name in image.get("RepoTags") or () if not name.startswith("<none>")]
        for name in names or [image["Id"]]:
            engine.delete(f"/images/{name}")


class _Connection:
    """One call at a time, each over a connection of its own."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    def get(self, path: str, **query: Any) -> Any:
        """Raises NoEngine."""
        status, data = self._call("GET", path, query)
        try:
            told = json.loads(data)
        except ValueError:
            raise NoEngine(f"what listens at {self._path} is no Docker engine") from None
        if status >= 400:
            raise NoEngine(f"the Docker engine at {self._path} refuses: {told.get('message')}")
        return told

    def delete(self, path: str, **query: Any) -> None:
        """Harmless for what is gone, is going, or is in use by somebody else (404, 409). Raises NoEngine."""
        status, data = self._call("DELETE", path, query)
        if status >= 400 and status not in (404, 409):
            raise NoEngine(f"the Docker engine at {self._path} refuses: {data.decode(errors='replace').strip()}")

    def _call(self, method: str, path: str, query: Mapping[str, Any]) -> tuple[int, bytes]:
        values = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()}
        connection = _UnixHTTP("docker", timeout=self._seconds)
        connection.path = self._path
        try:
            connection.request(method, f"{_API}{path}?{urlencode(values)}")
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoEngine(f"the Docker engine at {self._path} does not answer: {error}") from error
        finally:
            connection.close()


class _UnixHTTP(http.client.HTTPConnection):
    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))
