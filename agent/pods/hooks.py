"""postStart and preStop: run in the container, asked over HTTP, or a pause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.pods.deadline import time_limit
from agent.pods.endpoints import UnknownPort, http_request
from agent.pods.execution import run_in_container
from agent.pods.http import HTTPFault, get
from agent.runtime.protocol import Runtime, RuntimeFault
from minikube_py.aio.clock import Clock

_HTTP_SECONDS = 30.0


class HookFault(Exception):
    """The hook failed; the message is what the event says."""


class HookRunner:
    """Runs lifecycle handlers. Only preStop has a time limit (its caller's): postStart may take for ever."""

    def __init__(self, *, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock

    async def run(self, handler: Mapping[str, Any], container_id: str, spec: Mapping[str, Any], pod_ip: str) -> None:
        """Run one handler to its end. Raises HookFault. Cancelling ends what it started."""
        if "exec" in handler:
            await self._exec(handler["exec"].get("command") or (), container_id, spec)
        elif "httpGet" in handler:
            await self._http(handler["httpGet"], spec, pod_ip)
        elif "sleep" in handler:
            await self._clock.sleep(float(handler["sleep"].get("seconds") or 0))
        else:
            raise HookFault(f"invalid handler: {', '.join(handler) or 'none'}")

    async def _exec(self, command: Sequence[str], container_id: str, spec: Mapping[str, Any]) -> None:
        try:
            outcome = await run_in_container(self._runtime, container_id, command)
        except (RuntimeFault, OSError) as error:
            text = f"Exec lifecycle hook ({list(command)}) for Container {spec['name']!r} failed: {error}"
            raise HookFault(text) from error
        if outcome.exit_code != 0:
            detail = f"error: command '{' '.join(command)}' exited with {outcome.exit_code}: {outcome.output}"
            raise HookFault(f'Exec lifecycle hook ({list(command)}) for Container "{spec["name"]}" failed - {detail}')

    async def _http(self, action: Mapping[str, Any], spec: Mapping[str, Any], pod_ip: str) -> None:
        try:
            async with time_limit(self._clock, _HTTP_SECONDS):
                answer = await get(http_request(action, spec, pod_ip))
        except (HTTPFault, UnknownPort, TimeoutError) as error:
            raise HookFault(f"HTTP lifecycle hook ({action.get('path')}) failed: {error}") from error
        if answer.status >= 400:
            raise HookFault(f"HTTP lifecycle hook ({action.get('path')}) failed: status {answer.status}")
