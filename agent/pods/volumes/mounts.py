"""From a container's volumeMounts to mounts: subPath, subPathExpr, read-only."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.pods.volumes.errors import MountError
from agent.runtime.protocol import Mount
from minikube_py.api.expansion import expand_reporting

_PROPAGATION = {"HostToContainer": "slave", "Bidirectional": "shared"}


def container_mounts(
    spec: Mapping[str, Any], volumes: Mapping[str, Path], env: Mapping[str, str], read_only: frozenset[str]
) -> list[Mount]:
    """The mounts of one container. Raises MountError for an unknown volume or a subPath that leaves its volume.

    ``read_only`` names the volumes that cannot be written whatever the mount says (configMaps, secrets, …).
    """
    mounts = []
    for entry in spec.get("volumeMounts") or ():
        volume = volumes.get(entry["name"])
        if volume is None:
            raise MountError(f'volume "{entry["name"]}" not found')
        fixed = bool(entry.get("readOnly")) or entry["name"] in read_only
        mounts.append(
            Mount(
                source=_source(volume, entry, env),
                target=_absolute(entry["mountPath"]),
                read_only=fixed,
                propagation=_PROPAGATION.get(entry.get("mountPropagation", ""), "private"),
            )
        )
    return mounts


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _source(volume: Path, entry: Mapping[str, Any], env: Mapping[str, str]) -> Path:
    sub_path = entry.get("subPath") or ""
    if entry.get("subPathExpr"):
        sub_path, missing = expand_reporting(entry["subPathExpr"], env)
        if missing:
            raise MountError(f"missing value for {', '.join(missing)} in subPathExpr {entry['subPathExpr']!r}")
    return inside(volume, sub_path) if sub_path else volume


def inside(volume: Path, sub_path: str, *, create: bool = True) -> Path:
    """The real path of ``sub_path`` below ``volume``; ``create`` makes a directory where nothing is there.

    A symbolic link that the pod planted must not lead out of the volume (CVE-2017-1002101).
    """
    root = os.path.realpath(volume)
    if os.path.isabs(sub_path) or ".." in Path(sub_path).parts:
        raise MountError(f'subPath "{sub_path}" must be a relative path without ".."')
    found = os.path.realpath(os.path.join(root, sub_path))
    if found != root and not found.startswith(root + os.sep):
        raise MountError(f'subPath "{sub_path}" leads outside of its volume')
    if create and not os.path.lexists(found):
        try:
            _make_directories(root, found)
        except OSError as error:
            raise MountError(f'cannot create subPath "{sub_path}": {error.strerror}') from error
    return Path(found)


def _make_directories(root: str, path: str) -> None:
    """As the kubelet's SafeMakeDir: every directory that is made gets the mode of ``root``, setgid bit and all."""
    mode = stat.S_IMODE(os.stat(root).st_mode)
    at = root
    for part in os.path.relpath(path, root).split(os.sep):
        at = os.path.join(at, part)
        if not os.path.isdir(at):
            os.mkdir(at)
            os.chmod(at, mode)
