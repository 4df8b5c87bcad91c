"""The simulated runtime's own hand: scripts, a fake clock, scripted commands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.runtime.protocol import ContainerSpec, ContainerState, ImageFault, RuntimeFault, SandboxSpec
from agent.runtime.simulated import ExecResult, Script, SimulatedImages, SimulatedRuntime
from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet

SANDBOX = SandboxSpec(namespace="default", name="web", uid="u1", hostname="web")
CONTAINER = ContainerSpec(name="app", image="nginx", attempt=0)


def _runtime(clock: FakeClock, script: Script = Script(), **keywords: Any) -> SimulatedRuntime:  # noqa: B008
    return SimulatedRuntime(clock=clock, scripts=lambda _s, _c: script, **keywords)


async def _started(runtime: SimulatedRuntime) -> str:
    sandbox = await runtime.run_sandbox(SANDBOX)
    container = await runtime.create_container(sandbox.id, CONTAINER)
    await runtime.start_container(container)
    return container


async def test_it_exits_when_its_script_says() -> None:
    clock = FakeClock()
    runtime = _runtime(clock, Script(exit_after=10.0, exit_code=3, reason="OOMKilled"))
    events = runtime.events()
    container = await _started(runtime)
    await clock.advance(9.9)
    assert (await runtime.list_containers())[0].state is ContainerState.RUNNING
    await clock.advance(0.2)
    status = (await runtime.list_containers())[0]
    assert (status.exit_code, status.reason) == (3, "OOMKilled")
    seen = [await anext(events), await anext(events)]
    assert [(event.container_id, event.state) for event in seen] == [
        (container, ContainerState.RUNNING),
        (container, ContainerState.EXITED),
    ]


async def test_one_that_stops_slowly_is_killed_after_its_grace() -> None:
    clock = FakeClock()
    runtime = _runtime(clock, Script(stop_seconds=60.0))
    container = await _started(runtime)
    tasks = TaskSet("test")
    stop = tasks.spawn(runtime.stop_container(container, grace_seconds=5.0), name="stop")
    await clock.advance(4.9)
    assert not stop.done()
    await clock.advance(0.2)
    assert stop.done()
    assert (await runtime.list_containers())[0].exit_code == 137
    await tasks.close()


async def test_a_start_fault_leaves_an_exited_container() -> None:
    fault = RuntimeFault("RunContainerError", "no such file")
    runtime = _runtime(FakeClock(), Script(start_fault=fault))
    with pytest.raises(RuntimeFault, match="no such file"):
        await _started(runtime)
    assert (await runtime.list_containers())[0].exit_code == 127


async def test_a_missing_image() -> None:
    runtime = _runtime(FakeClock(), images=SimulatedImages(missing=["nginx"]))
    with pytest.raises(ImageFault):
        await runtime.images.ensure("nginx", pull_policy="Always")


async def test_commands_answer_when_their_input_ends() -> None:
    def answer(status: Any, command: tuple[str, ...], stdin: bytes) -> ExecResult:
        return ExecResult(7, stdin.upper(), " ".join(command).encode())

    runtime = _runtime(FakeClock(), on_exec=answer)
    container = await _started(runtime)
    streams = await runtime.exec(container, ["tr", "a", "b"], stdin=True)
    await streams.write_stdin(b"abc")
    await streams.close_stdin()
    assert await streams.wait() == 7
    assert (await streams.stdout.read(), await streams.stderr.read()) == (b"ABC", b"tr a b")


async def test_a_lost_sandbox_takes_its_containers() -> None:
    runtime = _runtime(FakeClock())
    container = await _started(runtime)
    events = runtime.events()
    sandbox = (await runtime.list_sandboxes())[0].id
    runtime.lose_sandbox(sandbox)
    assert (await anext(events)).container_id == container
    assert (await asyncio.wait_for(anext(events), 60)).container_id == ""
    assert not (await runtime.list_sandboxes())[0].ready
