"""The Runtime contract, held over every runtime."""

from __future__ import annotations

import asyncio

import pytest
from harness import FAIL, FOREVER, STUBBORN, SUCCEED, UNKNOWN, Harness, collect

from agent.runtime.protocol import ContainerState, ImageFault, RuntimeFault


async def test_a_sandbox_is_made_listed_stopped_and_removed(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    assert sandbox.ready
    assert (await harness.runtime.list_sandboxes()) == [sandbox]
    await harness.runtime.stop_sandbox(sandbox.id)
    assert not (await harness.runtime.list_sandboxes())[0].ready
    await harness.runtime.remove_sandbox(sandbox.id)
    assert await harness.runtime.list_sandboxes() == []


async def test_running_the_sandbox_of_the_same_pod_again_gives_the_same(harness: Harness) -> None:
    assert (await harness.sandbox(uid="same")).id == (await harness.sandbox(uid="same")).id


async def test_a_stopped_sandbox_is_not_given_again(harness: Harness) -> None:
    first = await harness.sandbox(uid="same")
    await harness.runtime.stop_sandbox(first.id)
    assert (await harness.sandbox(uid="same")).id != first.id


async def test_what_is_gone_can_be_removed_again(harness: Harness) -> None:
    await harness.runtime.stop_sandbox("nothing")
    await harness.runtime.remove_sandbox("nothing")
    await harness.runtime.stop_container("nothing", grace_seconds=1)
    await harness.runtime.remove_container("nothing")


async def test_the_life_of_a_container(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.runtime.create_container(sandbox.id, harness.spec(attempt=2))
    created = await harness.status(container)
    assert (created.state, created.name, created.attempt) == (ContainerState.CREATED, "app", 2)
    assert created.sandbox_id == sandbox.id
    assert created.started_at is None
    await harness.runtime.start_container(container)
    running = await harness.status(container)
    assert running.state is ContainerState.RUNNING
    assert running.started_at is not None
    assert running.started_at >= running.created_at
    await harness.runtime.stop_container(container, grace_seconds=10)
    exited = await harness.status(container)
    assert (exited.state, exited.exit_code) == (ContainerState.EXITED, 0)
    assert exited.finished_at is not None
    assert exited.finished_at >= running.started_at
    await harness.runtime.remove_container(container)
    assert await harness.runtime.list_containers() == []


async def test_starting_what_runs_is_harmless_and_what_has_run_is_refused(harness: Harness) -> None:
    container = await harness.run()
    await harness.runtime.start_container(container)
    await harness.runtime.stop_container(container, grace_seconds=10)
    with pytest.raises(RuntimeFault):
        await harness.runtime.start_container(container)


@pytest.mark.parametrize(("command", "code", "message"), [(SUCCEED, 0, ""), (FAIL, 3, "because\n")])
async def test_exit_codes_and_last_words(
    harness: Harness, command: tuple[str, ...], code: int, message: str
) -> None:  # fmt: skip
    exited = await harness.exited(await harness.run(command))
    assert (exited.exit_code, exited.message) == (code, message)
    assert exited.reason == ("Completed" if code == 0 else "Error")


async def test_a_command_that_cannot_be_executed(harness: Harness) -> None:
    with pytest.raises(RuntimeFault, match="no-such-program") as raised:
        await harness.run(UNKNOWN)
    assert raised.value.reason == "RunContainerError"
    left = (await harness.runtime.list_containers())[0]
    assert (left.state, left.exit_code, left.reason) == (ContainerState.EXITED, 127, "StartError")
    assert "no-such-program" in left.message


async def test_a_stubborn_container_is_killed_after_its_grace(harness: Harness) -> None:
    container = await harness.run(STUBBORN)
    await harness.runtime.stop_container(container, grace_seconds=0.2)
    assert (await harness.status(container)).exit_code == 137


async def test_a_container_that_was_never_started_stops_at_once(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.runtime.create_container(sandbox.id, harness.spec())
    await harness.runtime.stop_container(container, grace_seconds=30)
    assert (await harness.status(container)).state is ContainerState.EXITED


async def test_removing_a_running_container_ends_it(harness: Harness) -> None:
    container = await harness.run(STUBBORN)
    await harness.runtime.remove_container(container)
    assert await harness.runtime.list_containers() == []


async def test_stopping_a_sandbox_kills_what_runs_in_it(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(STUBBORN, sandbox=sandbox.id)
    await harness.runtime.stop_sandbox(sandbox.id)
    assert (await harness.status(container)).exit_code == 137
    await harness.runtime.remove_sandbox(sandbox.id)
    assert await harness.runtime.list_containers() == []


async def test_no_container_without_a_running_sandbox(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    await harness.runtime.stop_sandbox(sandbox.id)
    for sandbox_id in (sandbox.id, "nothing"):
        with pytest.raises(RuntimeFault) as raised:
            await harness.runtime.create_container(sandbox_id, harness.spec())
        assert raised.value.reason == "CreateContainerError"


async def test_events_tell_starts_exits_and_lost_sandboxes(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.runtime.create_container(sandbox.id, harness.spec())
    events, others = harness.runtime.events(), harness.runtime.events()
    await harness.runtime.start_container(container)
    await harness.runtime.stop_container(container, grace_seconds=10)
    await harness.runtime.stop_sandbox(sandbox.id)
    seen = await collect(events, 3)
    assert [(event.container_id, event.state) for event in seen] == [
        (container, ContainerState.RUNNING),
        (container, ContainerState.EXITED),
        ("", ContainerState.EXITED),
    ]
    assert {event.sandbox_id for event in seen} == {sandbox.id}
    assert await collect(others, 3) == seen


async def test_an_event_follows_the_state_that_it_tells(harness: Harness) -> None:
    events = harness.runtime.events()
    container = await harness.run(SUCCEED)
    while (await collect(events, 1))[0].state is not ContainerState.EXITED:
        pass
    assert (await harness.status(container)).state is ContainerState.EXITED


async def test_many_at_once(harness: Harness) -> None:
    sandboxes = await asyncio.gather(*(harness.sandbox() for _ in range(10)))
    containers = await asyncio.gather(*(harness.run(FOREVER, sandbox=each.id) for each in sandboxes))
    assert len(set(containers)) == 10
    await asyncio.gather(*(harness.runtime.stop_container(each, grace_seconds=10) for each in containers))
    assert {each.exit_code for each in await harness.runtime.list_containers()} == {0}


async def test_usage_of_running_containers_only(harness: Harness) -> None:
    running, _ = await harness.run(), await harness.exited(await harness.run(SUCCEED))
    usage = await harness.runtime.usage()
    assert [each.container_id for each in usage] == [running]
    assert usage[0].memory_bytes > 0


async def test_commands_in_what_does_not_run_are_refused(harness: Harness) -> None:
    container = await harness.run(SUCCEED)
    await harness.exited(container)
    with pytest.raises(RuntimeFault):
        await harness.runtime.exec(container, ["true"])
    with pytest.raises(RuntimeFault):
        await harness.runtime.attach("nothing")
    with pytest.raises(ConnectionRefusedError):
        await harness.runtime.port_forward("nothing", 80)


async def test_a_command_in_a_container(harness: Harness) -> None:
    container = await harness.run()
    code, _, _ = await harness.output(container, "true")
    assert code == 0


async def test_images_that_are_not_there(harness: Harness) -> None:
    if harness.runtime.name == "simulated":
        harness.runtime.images.missing.add("ghost:1")  # type: ignore[attr-defined]
    for policy, reason in (("IfNotPresent", "ErrImagePull"), ("Never", "ErrImageNeverPull")):
        with pytest.raises(ImageFault) as raised:
            await harness.runtime.images.ensure("ghost:1", pull_policy=policy)
        assert raised.value.reason == reason
    assert (await harness.runtime.images.ensure(harness.image, pull_policy="IfNotPresent")).id
