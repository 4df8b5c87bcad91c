"""The Docker engine as a command sees it: is there one that a cluster can use, and what of a cluster is still in it.

Pods are the agents' business (``agent/runtime/docker``); here is only what `minik up` must know before and `minik down`
must remove after them. Everything the agents make carries the label ``minik.cluster``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from minikube_py.cluster.engineapi import EngineAPI, NoEngine

LABEL: Final = "minik.cluster"
NODE_LABEL: Final = "minik.node"
#: Marks the images that agents make for themselves: the pause program and the built-in ones.
_OWN_IMAGES: Final = "minik.kind"
_DEFAULT: Final = "unix:///var/run/docker.sock"
#: An engine that is alive answers within milliseconds; removing a container takes it longer.
_PROBE_SECONDS: Final = 3.0
_REMOVAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """A usable engine: where it listens, what it is. ``hindrance``: why this process cannot wire its containers into a
    network of its own making ("": it can)."""

    socket: Path
    version: str
    hindrance: str = ""
    same_kernel: bool = True


def engine_socket() -> Path:
    """The engine's Unix socket, from $DOCKER_HOST or the default place. Raises NoEngine for a remote engine."""
    url = os.environ.get("DOCKER_HOST") or _DEFAULT
    if not url.startswith("unix://"):
        raise NoEngine(f"the Docker engine at {url} is not on this machine")
    return Path(url.removeprefix("unix://"))


def check_engine() -> EngineFacts:
    """The engine that this user may use, asked of itself: it must answer soon. Raises NoEngine.

    Pods are wired through the network namespaces of its containers: that takes root, and an engine on this very kernel
    (Docker Desktop's is not).
    """
    path = engine_socket()
    if not path.exists():
        raise NoEngine(f"there is no Docker engine at {path}")
    told = EngineAPI(path, _PROBE_SECONDS).get("/info")
    version = str(told.get("ServerVersion") or "unknown")
    if told.get("OSType") != "linux":
        raise NoEngine(f"the Docker engine at {path} runs no Linux containers")
    if told.get("KernelVersion") != os.uname().release:
        hindrance = f"the Docker engine at {path} runs its containers on another kernel"
        return EngineFacts(path, version, hindrance, same_kernel=False)
    if os.geteuid() != 0:
        return EngineFacts(path, version, "wiring Docker containers into the cluster's network needs root")
    return EngineFacts(path, version)


def container_labels(path: Path, container: str) -> Mapping[str, str]:
    """The labels of a container, by its id or name. Raises NoEngine."""
    told: Mapping[str, str] = EngineAPI(path, _PROBE_SECONDS).get(f"/containers/{container}/json")["Config"]["Labels"]
    return told


def remove_containers(path: Path, labels: Mapping[str, str], pulled: Iterable[str] = ()) -> None:
    """Removes every container with all these labels, running or not; then the images that pods made the engine pull
    (``pulled``) and the agents' own, where nobody else has containers of them.

    Nothing is done while the engine is away. Raises NoEngine where it goes away.
    """
    engine = EngineAPI(path, _REMOVAL_SECONDS)
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
