"""What to do next for a pod that should run: the desired pod and what is observed in, actions out. Pure.

The decisions are those of the kubelet (``kuberuntime_manager.go``, computePodActions): a pod without a usable sandbox
starts from the beginning; init containers run one after the other, sidecars stay up beside them; containers that failed
a liveness or startup probe are replaced; when nothing is left to run or to start, the pod ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.pods.model import (
    Container,
    Role,
    app_containers,
    ephemeral_containers,
    exit_restarts,
    init_containers,
    restart_policy,
    restarts_on_failure,
)
from agent.pods.observation import PodObservation, ProbeResult, ProbeResults, Probes
from agent.runtime.protocol import ContainerState, ContainerStatus
from minikube_py.api.meta import is_deleting
from minikube_py.api.types import Object


class KillReason(StrEnum):
    """Why a running container has to go; it chooses the grace period."""

    LIVENESS = "livenessProbe"
    STARTUP = "startupProbe"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop one container, telling why."""

    container: ContainerStatus
    message: str
    reason: KillReason


@dataclass(frozen=True, slots=True)
class PodActions:
    """What to do, in this order: kill the pod or single containers, make the sandbox, start containers by name."""

    kill_pod: bool = False
    create_sandbox: bool = False
    kill: tuple[Kill, ...] = ()
    start_ephemeral: tuple[str, ...] = ()
    start_init: tuple[str, ...] = ()
    start: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self == _NOTHING


_NOTHING = PodActions()


def plan(pod: Object, seen: PodObservation, probes: Probes, resized: frozenset[str] = frozenset()) -> PodActions:
    """The next actions for a pod that is neither being deleted nor finished.

    ``resized`` names the containers that have to be replaced to get the resources that the spec asks for.
    """
    if seen.sandbox is None:
        return _plan_sandbox(pod, seen)
    ephemeral = tuple(one.name for one in ephemeral_containers(pod) if seen.latest(one.name) is None)
    progress = _InitPlan(pod, seen, probes).compute()
    if progress.failed:
        return PodActions(kill_pod=True, start_ephemeral=ephemeral)
    if not progress.initialized:
        return PodActions(kill=progress.kill, start_ephemeral=ephemeral, start_init=progress.start)
    return _AppPlan(pod, seen, probes, resized).compute(progress, ephemeral)


def should_start(container: Container, pod: Object, status: ContainerStatus | None) -> bool:
    """Whether a container that is not running has to be started, by its history and the restart policy."""
    if is_deleting(pod):
        return False
    if status is None or status.state is ContainerState.CREATED:
        return True
    if status.state is ContainerState.RUNNING:
        return False
    return exit_restarts(container, pod, _exit_code(status))


def has_initialized(pod: Object, seen: PodObservation) -> bool:
    """Whether a main container has been made in the present sandbox, so that initialization lies behind."""
    sandbox = seen.sandbox
    latest = (seen.latest(container.name) for container in app_containers(pod))
    return sandbox is not None and any(one is not None and one.sandbox_id == sandbox.id for one in latest)


def _exit_code(status: ContainerStatus) -> int:
    return 137 if status.exit_code is None else status.exit_code


def _plan_sandbox(pod: Object, seen: PodObservation) -> PodActions:
    """A pod whose sandbox is missing or dead begins anew, unless there is nothing left for it to do."""
    had_before = bool(seen.sandboxes)
    if had_before and restart_policy(pod) == "Never" and seen.history:
        return PodActions(kill_pod=True)
    wanted = tuple(
        container.name
        for container in app_containers(pod)
        if not (restart_policy(pod) == "OnFailure" and _succeeded(seen.latest(container.name)))
    )
    ran_before = any(seen.latest(container.name) for container in app_containers(pod))
    if not wanted and ran_before:
        return PodActions(kill_pod=True)
    first_init = tuple(container.name for container in init_containers(pod)[:1])
    return PodActions(
        kill_pod=had_before, create_sandbox=True, start_init=first_init, start=() if first_init else wanted
    )


def _succeeded(status: ContainerStatus | None) -> bool:
    return status is not None and status.state is ContainerState.EXITED and status.exit_code == 0


@dataclass(frozen=True, slots=True)
class _InitProgress:
    initialized: bool
    failed: bool = False
    start: tuple[str, ...] = ()
    kill: tuple[Kill, ...] = ()


class _InitPlan:
    """Walks the init containers from the last to the first: the newest one that has run tells how far the pod is."""

    def __init__(self, pod: Object, seen: PodObservation, probes: Probes) -> None:
        self._pod = pod
        self._seen = seen
        self._probes = probes
        self._containers = init_containers(pod)
        self._start: list[str] = []
        self._kill: list[Kill] = []
        self._initialized = not self._containers or has_initialized(pod, seen)

    def compute(self) -> _InitProgress:
        passed = self._initialized
        for index in range(len(self._containers) - 1, -1, -1):
            container = self._containers[index]
            status = self._in_this_sandbox(container)
            if status is None:
                if passed and container.role is Role.SIDECAR:
                    self._start.append(container.name)
                continue
            if passed and container.role is Role.INIT:
                continue
            if not self._advance(index, container, status, first=not passed):
                return _InitProgress(initialized=False, failed=True)
            passed = True
        if not passed:
            self._start.append(self._containers[0].name)
        return _InitProgress(self._initialized, start=tuple(reversed(self._start)), kill=tuple(self._kill))

    def _in_this_sandbox(self, container: Container) -> ContainerStatus | None:
        status = self._seen.latest(container.name)
        sandbox = self._seen.sandbox
        return status if status is not None and sandbox is not None and status.sandbox_id == sandbox.id else None

    def _advance(self, index: int, container: Container, status: ContainerStatus, *, first: bool) -> bool:
        """One init container that has been made. False: it failed for good and the pod with it."""
        if status.state is ContainerState.CREATED:
            self._start.append(container.name)
        elif status.state is ContainerState.RUNNING:
            if container.role is Role.SIDECAR:
                self._keep_sidecar(index, container, status, first=first)
        elif container.role is Role.SIDECAR:
            self._start.append(container.name)
        elif status.exit_code != 0:
            if not self._may_retry(container, status):
                return False
            self._start.append(container.name)
        else:
            self._next_after(index, first=True)
        return True

    def _may_retry(self, container: Container, status: ContainerStatus) -> bool:
        if container.restart_policy is not None:
            return exit_restarts(container, self._pod, _exit_code(status))
        return restarts_on_failure(self._pod)

    def _keep_sidecar(self, index: int, container: Container, status: ContainerStatus, *, first: bool) -> None:
        results = self._probes.get(status.id, initial_results(container))
        if not results.started:
            if results.startup is ProbeResult.FAILURE:
                self._replace(container, status, "startup", KillReason.STARTUP)
            return
        self._next_after(index, first=first)
        if results.liveness is ProbeResult.FAILURE:
            self._replace(container, status, "liveness", KillReason.LIVENESS)

    def _next_after(self, index: int, *, first: bool) -> None:
        if index == len(self._containers) - 1:
            self._initialized = True
        elif first:
            self._start.append(self._containers[index + 1].name)

    def _replace(self, container: Container, status: ContainerStatus, probe: str, reason: KillReason) -> None:
        self._kill.append(Kill(status, f"Init container {container.name} failed {probe} probe", reason))
        self._start.append(container.name)


class _AppPlan:
    """What becomes of the main containers once the pod is initialized."""

    def __init__(self, pod: Object, seen: PodObservation, probes: Probes, resized: frozenset[str]) -> None:
        self._pod = pod
        self._seen = seen
        self._probes = probes
        self._resized = resized
        self._start: list[str] = []
        self._kill: list[Kill] = []
        self._kept = 0

    def compute(self, progress: _InitProgress, ephemeral: tuple[str, ...]) -> PodActions:
        for container in app_containers(self._pod):
            self._decide(container, self._seen.latest(container.name))
        over = self._kept == 0 and not self._start
        return PodActions(
            kill_pod=over,
            kill=(*progress.kill, *self._kill),
            start_ephemeral=ephemeral,
            start_init=() if over else progress.start,
            start=tuple(self._start),
        )

    def _decide(self, container: Container, status: ContainerStatus | None) -> None:
        if status is None or status.state is not ContainerState.RUNNING:
            if should_start(container, self._pod, status):
                self._start.append(container.name)
            return
        doomed = self._doomed(container, status)
        if doomed is None:
            self._kept += 1
            return
        message, reason = doomed
        if reason is KillReason.CHANGED or _restarts_after_probe(container, self._pod):
            message += ", will be restarted"
            self._start.append(container.name)
        self._kill.append(Kill(status, message, reason))

    def _doomed(self, container: Container, status: ContainerStatus) -> tuple[str, KillReason] | None:
        results = self._probes.get(status.id, initial_results(container))
        if status.image and status.image != container.spec.get("image"):
            return f"Container {container.name} definition changed", KillReason.CHANGED
        if results.liveness is ProbeResult.FAILURE:
            return f"Container {container.name} failed liveness probe", KillReason.LIVENESS
        if results.startup is ProbeResult.FAILURE:
            return f"Container {container.name} failed startup probe", KillReason.STARTUP
        if container.name in self._resized:
            return f"Container {container.name} resize requires restart", KillReason.CHANGED
        return None


def _restarts_after_probe(container: Container, pod: Object) -> bool:
    policy = container.restart_policy or restart_policy(pod)
    return policy != "Never"


def initial_results(container: Container) -> ProbeResults:
    """The results of a container none of whose probes has run: not started, not ready, alive."""
    spec = container.spec
    return ProbeResults(
        startup=ProbeResult.UNKNOWN if spec.get("startupProbe") else None,
        readiness=ProbeResult.FAILURE if spec.get("readinessProbe") else None,
        liveness=ProbeResult.SUCCESS if spec.get("livenessProbe") else None,
    )
