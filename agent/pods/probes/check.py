"""Asks once: the four kinds of probe, each giving success or failure and the words for the event."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.pods.deadline import time_limit
from agent.pods.endpoints import UnknownPort, http_request, resolve_port
from agent.pods.execution import run_in_container
from agent.pods.http import HTTPFault, describe, get
from agent.pods.observation import ProbeResult
from agent.pods.probes.grpc import GRPCFault, check_health
from agent.runtime.protocol import Runtime, RuntimeFault
from minikube_py.aio.clock import Clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe said. UNKNOWN means that it could not be asked at all: thresholds do not count it.

    ``warning`` is a success that deserves an event.
    """

    result: ProbeResult
    output: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is probed."""

    container_id: str
    spec: Mapping[str, Any]
    pod_ip: str


async def check(probe: Mapping[str, Any], target: Target, runtime: Runtime, clock: Clock) -> Answer:
    """Run ``probe`` (the API's Probe) once, for ``timeoutSeconds`` at most. Never raises."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    try:
        async with time_limit(clock, timeout):
            return await _ask(probe, target, runtime)
    except TimeoutError:
        return Answer(ProbeResult.FAILURE, _late(probe, target, timeout))
    except UnknownPort as error:
        return Answer(ProbeResult.UNKNOWN, str(error))


async def _ask(probe: Mapping[str, Any], target: Target, runtime: Runtime) -> Answer:
    if "exec" in probe:
        return await _exec(probe["exec"], target, runtime)
    if "httpGet" in probe:
        return await _http(probe["httpGet"], target)
    if "tcpSocket" in probe:
        return await _tcp(probe["tcpSocket"], target)
    if "grpc" in probe:
        return await _grpc(probe["grpc"], target)
    return Answer(ProbeResult.UNKNOWN, "missing probe handler")


def _late(probe: Mapping[str, Any], target: Target, timeout: float) -> str:
    """What upstream says of a probe that did not answer in time."""
    if "exec" in probe:
        return f'command timed out: "{" ".join(probe["exec"].get("command") or ())}" timed out after {timeout:g}s'
    if "httpGet" in probe:
        url = http_request(probe["httpGet"], target.spec, target.pod_ip).url
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    if "tcpSocket" in probe:
        host, port = _tcp_address(probe["tcpSocket"], target)
        return f"dial tcp {host}:{port}: i/o timeout"
    address = f"{target.pod_ip}:{probe['grpc'].get('port')}"
    return f'timeout: failed to connect service "{address}" within {timeout:g}s: context deadline exceeded'


async def _exec(action: Mapping[str, Any], target: Target, runtime: Runtime) -> Answer:
    try:
        outcome = await run_in_container(runtime, target.container_id, action.get("command") or ())
    except (RuntimeFault, OSError) as error:
        return Answer(ProbeResult.UNKNOWN, str(error))
    result = ProbeResult.SUCCESS if outcome.exit_code == 0 else ProbeResult.FAILURE
    return Answer(result, outcome.output)


async def _http(action: Mapping[str, Any], target: Target) -> Answer:
    request = http_request(action, target.spec, target.pod_ip)
    try:
        answer = await get(request)
    except HTTPFault as error:
        return Answer(ProbeResult.FAILURE, str(error))
    if answer.left_host:
        return Answer(ProbeResult.SUCCESS, f"Probe terminated redirects, Response body: {answer.body}", warning=True)
    if 200 <= answer.status < 400:
        return Answer(ProbeResult.SUCCESS, answer.body)
    return Answer(ProbeResult.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


def _tcp_address(action: Mapping[str, Any], target: Target) -> tuple[str, int]:
    return str(action.get("host") or target.pod_ip), resolve_port(action.get("port"), target.spec)


async def _tcp(action: Mapping[str, Any], target: Target) -> Answer:
    host, port = _tcp_address(action, target)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return Answer(ProbeResult.FAILURE, describe(error, host, port))
    writer.transport.abort()
    return Answer(ProbeResult.SUCCESS)


async def _grpc(action: Mapping[str, Any], target: Target) -> Answer:
    port, service = int(action.get("port") or 0), str(action.get("service") or "")
    try:
        status = await check_health(target.pod_ip, port, service)
    except (GRPCFault, OSError) as error:
        text = describe(error, target.pod_ip, port) if isinstance(error, OSError) else str(error)
        return Answer(ProbeResult.FAILURE, f"error: health rpc probe failed: {text}")
    if status == "SERVING":
        return Answer(ProbeResult.SUCCESS, "service healthy")
    return Answer(ProbeResult.FAILURE, f'service unhealthy (responded with "{status}")')
