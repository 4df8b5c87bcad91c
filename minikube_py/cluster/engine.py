"""The Docker engine as a command sees it: is there one that a cluster can use, and what of a cluster is still in it.

Pods are the agents' business (``agent/runtime/docker``); here is only what `minik up` must know before and `minik down`
must remove after them. Everything the agents make carries the label ``minik.cluster``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

LABEL = "minik.cluster"
_DEFAULT = "unix:///var/run/docker.sock"


class NoEngine(Exception):
    """No usable Docker engine; the message says why and what to do."""


def engine_socket() -> Path:
    """The engine's Unix socket, from $DOCKER_HOST or the default place. Raises NoEngine for a remote engine."""
    url = os.environ.get("DOCKER_HOST") or _DEFAULT
    if not url.startswith("unix://"):
        raise NoEngine(f"the Docker engine at {url} is not on this machine: use `--runtime process`")
    return Path(url.removeprefix("unix://"))


def check_engine() -> Path:
    """The socket of an engine that a cluster of this process' user can use. Raises NoEngine."""
    socket = engine_socket()
    if not socket.exists():
        raise NoEngine(f"there is no Docker engine at {socket}: start one, or use `--runtime process`")
    if os.geteuid() != 0:
        raise NoEngine("wiring Docker containers into the cluster's network needs root: run with sudo, or use "
                       "`--runtime process`, which does not")  # fmt: skip
    client = _connect(socket)
    client.close()
    return socket


def remove_containers(socket: Path, cluster: str) -> None:
    """Removes every container with the cluster's label, running or not. Nothing is done while the engine is away."""
    try:
        client = _connect(socket)
    except NoEngine:
        return
    try:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={cluster}"}, ignore_removed=True):
            _remove(container)
    finally:
        client.close()


def _remove(container: Any) -> None:
    import docker.errors

    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        pass  # gone with the sandbox it belonged to
    except docker.errors.APIError as error:
        if error.status_code != 409:  # its removal is under way
            raise


def _connect(socket: Path) -> Any:
    import docker
    import docker.errors

    try:
        client = docker.DockerClient(base_url=f"unix://{socket}")
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise NoEngine(f"the Docker engine at {socket} does not answer: {error}") from error
    return client
