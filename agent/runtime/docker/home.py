"""Where the agent itself runs, as its engine sees it: on the engine's own machine, or in one of its containers.

An engine takes the sources of mounts as paths of its own machine. An agent in a container sees some of them under other
names: its volumes. Under Docker Compose that is how the cluster's state reaches the pods.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from agent.runtime.docker.engine import Engine, EngineFault

#: The engine binds a container's own hostname, hosts and resolv.conf from a directory named after its id.
_OWN_FILES: Final = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/")
_MOUNTINFO: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Home:
    """``container`` and ``image`` are ids, "" on the engine's own machine; ``binds`` are what the container sees:
    (its path, the path on the engine's machine)."""

    container: str = ""
    image: str = ""
    binds: tuple[tuple[str, str], ...] = ()

    def on_engine(self, path: str) -> str:
        """The path as the engine must be told it. The innermost mount decides; other paths mean the same to both."""
        wanted = PurePosixPath(path)
        for own, theirs in sorted(self.binds, key=lambda pair: len(pair[0]), reverse=True):
            if wanted.is_relative_to(own):
                return str(PurePosixPath(theirs) / wanted.relative_to(own))
        return path


async def find_home(engine: Engine, mountinfo: Path = _MOUNTINFO) -> Home:
    """Asks the engine for the container that this process is in. Raises EngineFault, EngineGone."""
    match = _OWN_FILES.search(await asyncio.to_thread(mountinfo.read_text))
    if match is None:
        return Home()
    try:
        return home_of(await engine.get(f"/containers/{match[1]}/json"))
    except EngineFault as fault:
        if fault.status == 404:
            return Home()  # a container of some other engine, in which this one runs
        raise


def home_of(data: Mapping[str, Any]) -> Home:
    """From ``/containers/ID/json``."""
    binds = tuple((str(mount["Destination"]), str(mount["Source"])) for mount in data["Mounts"] if mount.get("Source"))
    return Home(str(data["Id"]), str(data["Image"]), binds)
