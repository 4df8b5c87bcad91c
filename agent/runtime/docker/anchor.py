"""A container that stands in the node's network namespace, so that pods with hostNetwork have something to join.

An engine lets a container join the network of another container, never a namespace that it has not made. The anchor is
an ordinary container that moves itself: nsenter(1) takes it into the agent's own namespace, which is the node's.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any, Final

from agent.images.builtin import HOST
from agent.runtime.docker import labels
from agent.runtime.docker.engine import Engine, EngineFault
from agent.runtime.protocol import RuntimeFault
from minikube_py.aio.clock import Clock

#: What a container of this kind says of itself.
KIND: Final = "anchor"
_POLL_SECONDS: Final = 0.01
_TRIES: Final = 1000


class NodeAnchor:
    """Made when the first pod asks for it. ``mounts`` fill the image of the host's tools."""

    def __init__(self, engine: Engine, own: dict[str, str], *, clock: Clock) -> None:
        self._engine = engine
        self._own = own
        self._clock = clock

    async def ensure(self, mounts: list[dict[str, Any]]) -> str:
        """The id of a running anchor. Raises RuntimeFault where a container cannot be taken into the namespace."""
        wanted = [f"{name}={value}" for name, value in {**self._own, labels.KIND: KIND}.items()]
        for entry in await self._engine.get("/containers/json", all=True, filters={"label": wanted}):
            data = await self._engine.get(f"/containers/{entry['Id']}/json")
            if data["State"]["Running"] and _namespace_of(data["State"]["Pid"]) == _namespace_of(os.getpid()):
                return str(entry["Id"])
            await self._remove(entry["Id"])
        return await self._make(mounts)

    async def _make(self, mounts: list[dict[str, Any]]) -> str:
        body = anchor_body(self._own, os.getpid(), mounts)
        anchor = str((await self._engine.post("/containers/create", body, name=f"minik-{uuid.uuid4().hex}"))["Id"])
        try:
            await self._engine.post(f"/containers/{anchor}/start")
            await self._moved(anchor)
        except EngineFault as fault:
            await self._remove(anchor)
            raise RuntimeFault("FailedCreatePodSandBox", f"hostNetwork: {fault.message}") from fault
        except BaseException:
            await self._remove(anchor)
            raise
        return anchor

    async def _moved(self, anchor: str) -> None:
        for _ in range(_TRIES):
            data = await self._engine.get(f"/containers/{anchor}/json")
            if _namespace_of(data["State"]["Pid"]) == _namespace_of(os.getpid()):
                return
            if not data["State"]["Running"]:
                break
            await self._clock.sleep(_POLL_SECONDS)
        raise RuntimeFault(
            "FailedCreatePodSandBox", "hostNetwork: no container of the engine gets into this node's network"
        )

    async def _remove(self, anchor: str) -> None:
        try:
            await self._engine.delete(f"/containers/{anchor}", force=True, v=True)
        except EngineFault as fault:
            if fault.status not in (404, 409):
                raise


def anchor_body(own: dict[str, str], pid: int, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """POST /containers/create. It sees the host's processes to find the agent, and may enter its namespace."""
    return {
        "Image": HOST,
        "Entrypoint": ["nsenter", f"--net=/proc/{pid}/ns/net", "--", "sleep", "infinity"],
        "Labels": {**own, labels.KIND: KIND},
        "HostConfig": {
            "NetworkMode": "none",
            "PidMode": "host",
            "CapAdd": ["SYS_ADMIN", "SYS_PTRACE"],
            "SecurityOpt": ["apparmor=unconfined"],
            "LogConfig": {"Type": "none", "Config": {}},
            "Mounts": mounts,
        },
    }


def _namespace_of(pid: int) -> int:
    """0 where there is no such process."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino if pid else 0
    except OSError:
        return 0
