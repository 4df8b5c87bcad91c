"""Commands in a running container: ``exec`` over a hijacked connection, and their end when the client leaves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Final

from agent.runtime.docker.engine import Engine, EngineFault
from agent.runtime.docker.streams import HijackedStreams
from agent.runtime.protocol import RuntimeFault, Streams
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet

_POLL_SECONDS: Final = 0.005
_KILL_TRIES: Final = 200


async def run_command(
    engine: Engine, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool, tasks: TaskSet, clock: Clock
) -> Streams:
    """Raises RuntimeFault."""
    body = {"AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty, "Cmd": list(command)}
    try:
        exec_id = (await engine.post(f"/containers/{container_id}/exec", body))["Id"]
        connection = await engine.hijack(f"/exec/{exec_id}/start", {"Detach": False, "Tty": tty})
    except EngineFault as fault:
        raise RuntimeFault("ExecError", fault.message) from fault

    async def exit_code() -> int:
        while (told := await engine.get(f"/exec/{exec_id}/json"))["Running"]:
            await clock.sleep(_POLL_SECONDS)
        return int(told["ExitCode"])

    async def resize(columns: int, rows: int) -> None:
        await engine.post(f"/exec/{exec_id}/resize", h=rows, w=columns)

    async def hang_up() -> None:
        with contextlib.suppress(RuntimeFault, OSError):
            await _kill(engine, exec_id, clock)

    return HijackedStreams(connection, tty=tty, tasks=tasks, exit_code=exit_code, resize=resize, hang_up=hang_up)


async def _kill(engine: Engine, exec_id: str, clock: Clock) -> None:
    """The engine has no way to end a command, but tells its pid as soon as it runs."""
    for _ in range(_KILL_TRIES):
        told = await engine.get(f"/exec/{exec_id}/json")
        if told["Pid"]:
            os.kill(told["Pid"], 9)
            return
        if not told["Running"] and told["ExitCode"] is not None:
            return
        await clock.sleep(_POLL_SECONDS)
