"""The prober of one container: asks its probes at their times and keeps their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agent.pods.model import Container
from agent.pods.observation import ProbeResult, ProbeResults
from agent.pods.plan import initial_results
from agent.pods.probes.check import Answer, Target, check
from agent.pods.probes.threshold import Threshold
from agent.runtime.protocol import ContainerStatus, Runtime
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet


class ProbeKind(StrEnum):
    """The three probes; the value is the spec's field without ``Probe``, as results name it."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"

    @property
    def field(self) -> str:
        """The field of the container that describes the probe."""
        return f"{self.value}Probe"


@dataclass(frozen=True, slots=True)
class ProberDeps:
    """What every prober uses. ``on_result`` is told of a changed result, ``on_answer`` of every single answer."""

    runtime: Runtime
    clock: Clock
    on_result: Callable[[], None]
    on_answer: Callable[[ProbeKind, Answer], None]


class ContainerProber:
    """Probes one running container until it is closed.

    Readiness and liveness wait for the startup probe; a startup or liveness probe that failed asks no more, for the
    container is about to be replaced.
    """

    def __init__(
        self,
        container: Container,
        status: ContainerStatus,
        *,
        pod_ip: str,
        deps: ProberDeps,
        known: ProbeResults | None = None,
    ) -> None:
        self.results = known or initial_results(container)
        self._container = container
        self._started_at = status.started_at or deps.clock.now()
        self._target = Target(status.id, container.spec, pod_ip)
        self._deps = deps
        self._tasks: dict[ProbeKind, TaskSet] = {}

    def start(self) -> None:
        """Begin asking."""
        if self.results.started:
            self._begin_after_startup()
        else:
            self._begin(ProbeKind.STARTUP)

    async def stop(self, *kinds: ProbeKind) -> None:
        """Ask no more (of these kinds)."""
        for kind in kinds or tuple(ProbeKind):
            tasks = self._tasks.pop(kind, None)
            if tasks is not None:
                await tasks.close()

    def _begin_after_startup(self) -> None:
        self._begin(ProbeKind.READINESS)
        self._begin(ProbeKind.LIVENESS)

    def _begin(self, kind: ProbeKind) -> None:
        probe = self._container.spec.get(kind.field)
        if not probe or kind in self._tasks:
            return
        tasks = self._tasks[kind] = TaskSet(f"probe-{self._target.container_id}-{kind}")
        tasks.spawn(self._ask_for_ever(kind, probe), name="loop")

    async def _ask_for_ever(self, kind: ProbeKind, probe: Mapping[str, Any]) -> None:
        clock = self._deps.clock
        threshold = Threshold(
            int(probe.get("successThreshold") or 1), int(probe.get("failureThreshold") or 3), self._result(kind)
        )
        await clock.sleep(self._delay(kind, probe))
        while True:
            answer = await check(probe, self._target, self._deps.runtime, clock)
            self._deps.on_answer(kind, answer)
            if threshold.answer(answer.result):
                self.results = replace(self.results, **{kind.value: threshold.result})
                self._deps.on_result()
                if self._is_over(kind):
                    return
            await clock.sleep(float(probe.get("periodSeconds") or 10))

    def _delay(self, kind: ProbeKind, probe: Mapping[str, Any]) -> float:
        """Seconds until the first question: initialDelaySeconds count from the container's start.

        A liveness probe without a delay waits one period, as the kubelet's timer makes it wait: asked at once it would
        kill with ``failureThreshold: 1`` what has hardly begun.
        """
        delay = float(probe.get("initialDelaySeconds") or 0)
        if kind is ProbeKind.LIVENESS and not delay:
            delay = float(probe.get("periodSeconds") or 10)
        return max(delay - (self._deps.clock.now() - self._started_at).total_seconds(), 0.0)

    def _result(self, kind: ProbeKind) -> ProbeResult:
        result: ProbeResult | None = getattr(self.results, kind.value)
        return result or ProbeResult.UNKNOWN

    def _is_over(self, kind: ProbeKind) -> bool:
        if kind is ProbeKind.STARTUP:
            if self.results.startup is ProbeResult.SUCCESS:
                self._begin_after_startup()
            return True
        return kind is ProbeKind.LIVENESS and self.results.liveness is ProbeResult.FAILURE
