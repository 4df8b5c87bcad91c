"""Joins a running command (exec, attach) to its client, and tells how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from agent.runtime.protocol import Streams
from agent.server.streams.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, Channels, ClientGone
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.types import Object

_CHUNK = 32 * 1024


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """Which streams the client asked for."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


def command_options(query: Mapping[str, str]) -> CommandOptions:
    """From the kubelet's query parameters (``input``, ``output``, ``error``, ``tty``) or the API's own names."""

    def flag(*names: str) -> bool:
        return any(query.get(name, "").lower() in ("1", "true") for name in names)

    return CommandOptions(flag("input", "stdin"), flag("output", "stdout"), flag("error", "stderr"), flag("tty"))


class CommandSession:
    """One client and one command. Whoever ends first ends the other."""

    def __init__(self, streams: Streams, channels: Channels, options: CommandOptions) -> None:
        self._streams = streams
        self._channels = channels
        self._options = options
        self._tasks = TaskSet("remote-command")

    async def run(self) -> None:
        """Return when the command has ended and the client knows, or the client is gone and the command ended."""
        try:
            await self._greet()
            feeding = self._tasks.spawn(self._feed(), name="input")
            finishing = self._tasks.spawn(self._finish(), name="output")
            await asyncio.wait({feeding, finishing}, return_when=asyncio.FIRST_COMPLETED)
        except ClientGone:
            pass
        finally:
            await self._tasks.close()
            await self._streams.close()
        await self._channels.close()

    async def _greet(self) -> None:
        """An empty message, by which clients know that the command is connected."""
        asked = ((self._options.stdout, STDOUT), (self._options.stderr, STDERR), (True, ERROR))
        await self._channels.send(next(channel for wanted, channel in asked if wanted), b"")

    async def _feed(self) -> None:
        async for channel, data in self._channels.inputs():
            if channel == STDIN and data is None:
                await self._streams.close_stdin()
            elif channel == STDIN and data:
                await self._streams.write_stdin(data)
            elif channel == RESIZE and data:
                await self._resize(data)

    async def _resize(self, data: bytes) -> None:
        try:
            size = orjson.loads(data)
            await self._streams.resize(int(size["Width"]), int(size["Height"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            pass  # a size that makes no sense changes nothing

    async def _finish(self) -> None:
        try:
            await self._drain()
            status = exit_status(await self._streams.wait())
        except ClientGone:
            return
        except Exception as error:
            status = internal_error(f"error executing command in container: {error}")
        try:
            await self._channels.send(ERROR, orjson.dumps(status))
        except ClientGone:
            pass

    async def _drain(self) -> None:
        stderr = None
        if not self._options.tty:
            stderr = self._tasks.spawn(self._copy(STDERR, self._options.stderr), name="stderr")
        await self._copy(STDOUT, self._options.stdout)
        if stderr is not None:
            await stderr

    async def _copy(self, channel: int, wanted: bool) -> None:
        reader = self._streams.stdout if channel == STDOUT else self._streams.stderr
        while data := await reader.read(_CHUNK):
            if wanted:
                await self._channels.send(channel, data)


def exit_status(code: int) -> Object:
    """The Status of a command that ended with ``code``."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def internal_error(message: str) -> Object:
    """The Status of a command that could not be run."""
    text = f"Internal error occurred: {message}"
    causes = {"causes": [{"message": message}]}
    return {
        "metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "details": causes, "code": 500
    }  # fmt: skip
