"""A command in a container, run to its end within a time: for exec probes and hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agent.runtime.protocol import Runtime

#: What is kept of the output (upstream's ``maxReadLength`` of exec probes).
MAX_OUTPUT = 10 * 1024


@dataclass(frozen=True, slots=True)
class ExecOutcome:
    """How a command ended. ``output`` is stdout and then stderr, cut at MAX_OUTPUT bytes."""

    exit_code: int
    output: str


async def run_in_container(runtime: Runtime, container_id: str, command: Sequence[str]) -> ExecOutcome:
    """Run ``command`` to its end. Raises RuntimeFault. Cancelling (a time limit around the call) kills it."""
    streams = await runtime.exec(container_id, command)
    try:
        stdout, stderr = await asyncio.gather(_read(streams.stdout), _read(streams.stderr))
        code = await streams.wait()
    finally:
        await streams.close()
    return ExecOutcome(code, (stdout + stderr)[:MAX_OUTPUT].decode(errors="replace"))


async def _read(stream: asyncio.StreamReader) -> bytes:
    """The first MAX_OUTPUT bytes; the rest is drained, so that the command can end."""
    kept = b""
    while part := await stream.read(4096):
        if len(kept) < MAX_OUTPUT:
            kept += part
    return kept
