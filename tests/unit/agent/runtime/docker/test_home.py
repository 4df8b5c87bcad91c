"""Paths of an agent that lives in a container of its own engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.runtime.docker.engine import EngineFault
from agent.runtime.docker.home import Home, find_home

ID = "ab" * 32
MOUNTINFO = f"""\
1 2 0:1 / / rw - overlay overlay rw
3 1 254:0 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw
"""
TOLD = {
    "Id": ID,
    "Image": "sha256:1",
    "Mounts": [
        {"Destination": "/var/lib/minik", "Source": "/var/lib/docker/volumes/state/_data"},
        {"Destination": "/var/lib/minik/fast", "Source": "/mnt/fast"},
        {"Destination": "/dev/shm", "Source": "/dev/shm"},
        {"Destination": "/tmp", "Type": "tmpfs"},
    ],
}


class OneContainer:
    """An engine that knows one container, or none."""

    def __init__(self, told: dict[str, Any] | None) -> None:
        self._told = told

    async def get(self, path: str) -> Any:
        assert path == f"/containers/{ID}/json"
        if self._told is None:
            raise EngineFault(404, "No such container")
        return self._told


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO)
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/minik/pods/1/x", "/var/lib/docker/volumes/state/_data/pods/1/x"),
        ("/var/lib/minik", "/var/lib/docker/volumes/state/_data"),
        ("/var/lib/minik/fast/y", "/mnt/fast/y"),
        ("/var/lib/minikube", "/var/lib/minikube"),
        ("/srv/data", "/srv/data"),
        ("/tmp/x", "/tmp/x"),
    ],
)
async def test_volumes_have_another_name_on_the_engines_machine(mountinfo: Path, path: str, expected: str) -> None:
    home = await find_home(OneContainer(TOLD), mountinfo)  # type: ignore[arg-type]
    assert (home.container, home.image) == (ID, "sha256:1")
    assert home.on_engine(path) == expected


async def test_on_the_engines_own_machine_paths_are_paths(tmp_path: Path, mountinfo: Path) -> None:
    (tmp_path / "plain").write_text("1 2 0:1 / / rw - ext4 /dev/vda rw\n")
    assert await find_home(OneContainer(None), tmp_path / "plain") == Home()  # type: ignore[arg-type]
    assert await find_home(OneContainer(None), mountinfo) == Home()  # type: ignore[arg-type]
    assert Home().on_engine("/a/b") == "/a/b"
