"""Everything that a cluster leaves outside its processes, and its removal.

The kernel takes namespaces, veths, routes and processes by itself. What stays are files, memory volumes, control groups
and an engine's containers. The supervisor removes them when it goes down in order; a command does after a crash.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from minikube_py.cluster.children import run_in_child
from minikube_py.cluster.engine import LABEL, engine_socket, remove_containers
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.removal import remove_tree
from minikube_py.cluster.userspace import enter
from minikube_py.linux import cgroups

_SHARED_MEMORY = Path("/dev/shm")


def remove_leftovers(paths: ClusterPaths) -> None:
    """Removes all of them. Nothing of the cluster may run any more, but for the containers of a composition. Raises
    OSError where something will not go, NoEngine where an engine that has such is away.

    Files of subordinate users can be removed only inside their user namespace: see ``remove_after_a_crash``.
    """
    if paths.composed_file.exists():
        _remove_composition(paths)
    if "docker" in _runtimes_of(paths):
        remove_containers(engine_socket(), {LABEL: paths.label}, _pulled_images(paths))
    for node in _node_states(paths):
        cgroups.sweep(cgroups.name_for(str(node)))
    remove_memory_volumes(paths.root)
    remove_tree(paths.sockets)
    remove_tree(paths.root)


def remove_after_a_crash(paths: ClusterPaths) -> None:
    """The same from a command; call it with the cluster's lock held."""
    try:
        remove_leftovers(paths)
    except PermissionError:
        pid = os.fork()
        if pid == 0:
            run_in_child(lambda: _remove_inside(paths))
        os.waitpid(pid, 0)
        remove_leftovers(paths)


def _remove_inside(paths: ClusterPaths) -> int:
    enter()
    remove_leftovers(paths)
    return 0


def _remove_composition(paths: ClusterPaths) -> None:
    from minikube_py.cluster.composed.project import Composition  # few need it
    from minikube_py.cluster.composed.settings import saved_settings

    if (settings := saved_settings(paths)) is not None:
        Composition(settings).remove()


def _runtimes_of(paths: ClusterPaths) -> set[str]:
    try:
        told = json.loads(paths.cluster_file.read_bytes())
        return {told["runtime"], *told["node_runtimes"].values()}
    except (OSError, ValueError, KeyError):
        return set()  # it never came so far


def _pulled_images(paths: ClusterPaths) -> set[str]:
    """The names of images that agents have made the engine pull (their own records)."""
    found = set()
    for record in paths.root.glob("nodes/*/pulled-images/*.json"):
        try:
            found.add(str(json.loads(record.read_bytes())["name"]))
        except (OSError, ValueError, KeyError):
            continue
    return found


def _node_states(paths: ClusterPaths) -> list[Path]:
    folder = paths.root / "nodes"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def remove_memory_volumes(below: Path) -> None:
    """The agents' emptyDirs with ``medium: Memory``: they are named after the path of the volume. Raises OSError."""
    prefix = "minik" + str(below).replace("/", "-") + "-"
    for entry in _SHARED_MEMORY.iterdir() if _SHARED_MEMORY.is_dir() else ():
        if entry.name.startswith(prefix):
            remove_tree(entry)
