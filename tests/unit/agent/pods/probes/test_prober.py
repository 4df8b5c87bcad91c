"""Probes under a clock that the test moves: thresholds, delays, the startup probe's precedence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.pods.model import app_containers
from agent.pods.observation import ProbeResult, ProbeResults
from agent.pods.probes.check import Answer
from agent.pods.probes.prober import ContainerProber, ProbeKind, ProberDeps
from agent.pods.probes.threshold import Threshold
from agent.runtime.protocol import ContainerSpec, ContainerStatus, RuntimeFault, SandboxSpec
from agent.runtime.simulated import ExecResult, SimulatedRuntime
from minikube_py.aio.clock import FakeClock
from tests.support.podstates import make_pod

OK, NO, UNKNOWN = ProbeResult.SUCCESS, ProbeResult.FAILURE, ProbeResult.UNKNOWN


@pytest.mark.parametrize(
    ("answers", "results"),
    [
        ([NO, NO, NO], [OK, OK, NO]),
        ([NO, NO, OK, NO, NO, NO], [OK, OK, OK, OK, OK, NO]),
        ([NO, NO, NO, OK, OK], [OK, OK, NO, NO, OK]),
        ([NO, UNKNOWN, NO, NO], [OK, OK, OK, NO]),
    ],
)
def test_thresholds(answers: list[ProbeResult], results: list[ProbeResult]) -> None:
    threshold = Threshold(success=2, failure=3, result=OK)
    seen = []
    for answer in answers:
        threshold.answer(answer)
        seen.append(threshold.result)
    assert seen == results


class Probed:
    """One simulated container whose commands answer what the test sets."""

    def __init__(self, **probes: Any) -> None:
        self.clock = FakeClock()
        self.code: dict[str, int] = {}
        self.asked: list[str] = []
        self.changes = 0
        self.answers: list[tuple[ProbeKind, Answer]] = []
        self.runtime = SimulatedRuntime(clock=self.clock, on_exec=self._exec)
        self.pod = make_pod({"name": "app", **{f"{kind}Probe": _exec(kind, probe) for kind, probe in probes.items()}})

    def _exec(self, _: ContainerStatus, command: tuple[str, ...], __: bytes) -> ExecResult:
        self.asked.append(command[0])
        code = self.code.get(command[0], 0)
        if code < 0:
            raise RuntimeFault("gone", "no such container")
        return ExecResult(code, stdout=f"{command[0]} says {code}".encode())

    @asynccontextmanager
    async def running(self, known: ProbeResults | None = None) -> AsyncIterator[ContainerProber]:
        box = await self.runtime.run_sandbox(SandboxSpec("default", "web", "u1", "web"))
        container_id = await self.runtime.create_container(box.id, ContainerSpec("app", "image", 0))
        await self.runtime.start_container(container_id)
        (status,) = await self.runtime.list_containers()
        deps = ProberDeps(
            self.runtime, self.clock, self._changed, lambda kind, answer: self.answers.append((kind, answer))
        )
        prober = ContainerProber(app_containers(self.pod)[0], status, pod_ip="10.0.0.2", deps=deps, known=known)
        prober.start()
        await self.clock.advance(0)
        yield prober
        await prober.stop()

    def _changed(self) -> None:
        self.changes += 1


def _exec(kind: str, probe: dict[str, Any]) -> dict[str, Any]:
    return {"exec": {"command": [kind]}, "periodSeconds": 10, "failureThreshold": 3, **probe}


async def test_readiness_is_asked_at_once_and_then_each_period() -> None:
    probed = Probed(readiness={})
    async with probed.running() as prober:
        assert prober.results.readiness is OK
        await probed.clock.advance(25)
        assert probed.asked == ["readiness"] * 3


async def test_readiness_falls_after_its_threshold_and_comes_back_after_one_success() -> None:
    probed = Probed(readiness={})
    async with probed.running() as prober:
        probed.code["readiness"] = 1
        await probed.clock.advance(20)
        assert prober.results.readiness is OK
        await probed.clock.advance(10)
        assert prober.results.readiness is NO
        probed.code["readiness"] = 0
        await probed.clock.advance(10)
        assert prober.results.readiness is OK
        assert probed.changes == 3


async def test_the_initial_delay_counts_from_the_start_of_the_container() -> None:
    probed = Probed(liveness={"initialDelaySeconds": 30})
    async with probed.running():
        await probed.clock.advance(29)
        assert probed.asked == []
        await probed.clock.advance(1)
        assert probed.asked == ["liveness"]


async def test_the_others_wait_for_the_startup_probe() -> None:
    probed = Probed(startup={"failureThreshold": 30, "periodSeconds": 1}, readiness={}, liveness={})
    probed.code["startup"] = 1
    async with probed.running() as prober:
        await probed.clock.advance(5)
        assert set(probed.asked) == {"startup"}
        assert not prober.results.started
        probed.code["startup"] = 0
        await probed.clock.advance(1)
        assert prober.results == ProbeResults(startup=OK, readiness=OK, liveness=OK)
        asked = probed.asked.count("startup")
        await probed.clock.advance(60)
        assert probed.asked.count("startup") == asked


async def test_a_failed_startup_probe_asks_no_more() -> None:
    probed = Probed(startup={"periodSeconds": 1}, liveness={})
    probed.code["startup"] = 1
    async with probed.running() as prober:
        await probed.clock.advance(60)
        assert prober.results.startup is NO
        assert probed.asked == ["startup"] * 3


async def test_a_probe_that_cannot_be_asked_changes_nothing() -> None:
    probed = Probed(liveness={})
    probed.code["liveness"] = -1
    async with probed.running() as prober:
        await probed.clock.advance(100)
        assert prober.results.liveness is OK
        assert {answer.result for _, answer in probed.answers} == {UNKNOWN}


async def test_an_adopted_container_goes_on_from_its_published_results() -> None:
    probed = Probed(startup={}, readiness={})
    probed.code["readiness"] = 1
    async with probed.running(ProbeResults(startup=OK, readiness=OK)) as prober:
        assert prober.results.ready
        await probed.clock.advance(20)
        assert not prober.results.ready
