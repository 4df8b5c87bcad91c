"""`minik up` where the cluster's parts are containers: image, composition, kubeconfig, and the wait for the nodes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

import yaml

from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.kubeconfig import KubeconfigFault, load_kubeconfig
from minikube_py.client.rest import Client
from minikube_py.cluster import kubeconfig
from minikube_py.cluster.composed import image
from minikube_py.cluster.composed.project import ComposeFailed, Composition
from minikube_py.cluster.composed.settings import check_possible, choose_settings, saved_settings
from minikube_py.cluster.engine import check_engine
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.leftovers import remove_after_a_crash
from minikube_py.cluster.lock import AlreadyRunning
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.plan import ClusterPlan
from minikube_py.cluster.progress import Progress, all_ready
from minikube_py.cluster.readiness import await_nodes

#: For the containers of a cluster that nobody waits for.
_MOST_SECONDS: Final = 600.0


class ComposedLaunch:
    """A composition on its way up. Nothing happens until its progress is read."""

    note = ""

    def __init__(self, plan: ClusterPlan, composition: Composition, lock: int) -> None:
        self.plan = plan
        self._composition = composition
        self._lock = lock

    def progress(self, timeout: float) -> Iterator[Progress]:
        """Every step until ready or failed. ``timeout`` bounds the wait for the nodes, in seconds, not the making of
        the image; 0 does not wait for them.
        """
        try:
            yield from self._bring_up(timeout)
        except (ComposeFailed, ConnectionFailed, KubeconfigFault, NoEngine, OSError) as error:
            yield Progress("failed", str(error) or type(error).__name__)
        finally:
            os.close(self._lock)

    def _bring_up(self, timeout: float) -> Iterator[Progress]:
        composition, name = self._composition, self.plan.name
        composition.command()  # better without one before the image is made than after
        if not composition.has_image():
            composition.load_image(image.archive(image.build(), composition.settings.image))
            yield Progress("step", "the image of the parts is made")
        deadline = time.monotonic() + timeout
        composition.start(timeout or _MOST_SECONDS)
        yield Progress("step", "control plane and agents started")
        kubeconfig.write(self.plan.paths.kubeconfig, yaml.safe_load(composition.kubeconfig()))
        nodes = composition.settings.node_names
        if timeout:
            steps: list[str] = []
            asyncio.run(self._wait(nodes, deadline - time.monotonic(), steps.append))
            yield from (Progress("step", text) for text in steps)
        yield Progress("ready", f"{all_ready(len(nodes))}: cluster {name} is at {composition.settings.network}.0/24")

    async def _wait(self, nodes: tuple[str, ...], seconds: float, step: Callable[[str], None]) -> None:
        access = load_kubeconfig([self.plan.paths.kubeconfig]).access
        async with Client.from_access(access) as client, asyncio.timeout(max(1.0, seconds)):
            await await_nodes(client, nodes, step)


def launch_composed(plan: ClusterPlan, lock: int) -> ComposedLaunch:
    """Clears a crash's leftovers and takes over the cluster's lock. Raises NoEngine, ValueError, OSError."""
    paths = plan.paths
    try:
        check_possible(plan.config)
        remove_after_a_crash(paths)
        settings = choose_settings(plan.config, paths, check_engine(), f"minik:{image.fingerprint()}")
        settings.save(paths)
    except BaseException:
        os.close(lock)
        raise
    return ComposedLaunch(plan, Composition(settings), lock)


def refuse_a_running_one(paths: ClusterPaths, lock: int) -> None:
    """Raises AlreadyRunning, NoEngine where its engine is away; the lock is given back then."""
    try:
        settings = saved_settings(paths)
        if settings is not None and paths.kubeconfig.exists() and Composition(settings).is_running():
            raise AlreadyRunning(f'cluster "{settings.name}" is already running')
    except BaseException:
        os.close(lock)
        raise
