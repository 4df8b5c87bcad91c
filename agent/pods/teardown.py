"""Ends a pod and clears up after it."""

from __future__ import annotations

import asyncio
import logging
import shutil

from agent.pods.model import deletion_grace_seconds, termination_grace_seconds
from agent.pods.services import PodServices
from agent.pods.specs import pod_paths
from agent.pods.state import PodState
from minikube_py.aio.backoff import Backoff
from minikube_py.api.errors import Conflict, NotFound, StatusError
from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.resources import PODS
from minikube_py.client.errors import ConnectionFailed

_log = logging.getLogger(__name__)
EVICTION_GRACE_SECONDS = 1.0


class PodTeardown:
    """The last steps of one pod, in order; each can be repeated."""

    def __init__(self, state: PodState, services: PodServices) -> None:
        self._state = state
        self._services = services
        self._paths = pod_paths(services.node.state_dir, state.pod)

    async def stop(self, *, removed: bool) -> None:
        """Stop the containers within the grace period, then give up sandbox, network and volumes.

        ``removed``: the API server has forgotten the pod already; what it last granted counts, else no time at all.
        Raises RuntimeFault.
        """
        state, services = self._state, self._services
        granted = deletion_grace_seconds(state.pod)
        grace = float((granted or 0) if removed else termination_grace_seconds(state.pod))
        if state.outcome is not None and state.outcome.reason == "Evicted":
            grace = min(grace, EVICTION_GRACE_SECONDS)
        await services.view.refresh()
        seen = services.view.get(state.uid)
        await services.stopper.stop_pod(state.pod, seen, grace, state.pod_ip, state.events)
        await self.release()

    async def release(self) -> None:
        """Give up sandbox, network and volumes. Containers that ended stay known to the runtime, for their logs."""
        services, uid = self._services, self._state.uid
        await services.host_ports.close(uid)
        for sandbox in services.view.get(uid).sandboxes:
            await services.runtime.stop_sandbox(sandbox.id)
        await services.network.detach(uid)
        await services.volumes.teardown(uid)
        self._state.volumes = None
        await services.view.refresh()

    async def delete_from_api(self) -> None:
        """Tell the API server that the pod is over, until it knows. Returns also where the pod is gone or another's."""
        state, backoff = self._state, Backoff(0.2, 10.0, jitter=0.2)
        await self._services.statuses.flush(state.uid)
        while True:
            try:
                await self._services.client.delete(
                    PODS,
                    name_of(state.pod),
                    namespace_of(state.pod),
                    grace_seconds=0,
                    preconditions={"uid": state.uid},
                )
                return
            except (NotFound, Conflict):
                return
            except (StatusError, ConnectionFailed) as error:
                _log.warning("cannot delete pod %s/%s: %s", namespace_of(state.pod), name_of(state.pod), error)
            await self._services.clock.sleep(backoff.next())

    async def clear(self) -> None:
        """Remove everything of the pod from this machine."""
        services, uid = self._services, self._state.uid
        for sandbox in services.view.get(uid).sandboxes:
            await services.runtime.remove_sandbox(sandbox.id)
        await asyncio.to_thread(self._remove_files)
        services.statuses.forget(uid)

    def _remove_files(self) -> None:
        shutil.rmtree(self._paths.logs, ignore_errors=True)
        shutil.rmtree(self._paths.root, ignore_errors=True)
