"""Everything that takes time, on a clock that the test moves: nothing sleeps, hours pass in a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio

from minikube_py.aio.clock import FakeClock
from minikube_py.api.meta import condition_is_true, find_condition, name_of
from minikube_py.api.resources import (
    CRONJOBS,
    DEPLOYMENTS,
    EVENTS,
    IPADDRESSES,
    JOBS,
    NODES,
    PODS,
    SERVICECIDRS,
    SERVICES,
)
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.cluster.controlplane import ControlPlane
from tests.integration.controllers.conftest import Cluster, control_plane_config
from tests.integration.controllers.test_deployments import deployment, rolled_out
from tests.integration.controllers.test_workloads import NEVER, finished, status_of, workload
from tests.support.apiserver import running_apiserver
from tests.support.simulated import SimulatedNodes

START = datetime.now(UTC).replace(hour=12, minute=0, second=30, microsecond=0)


@dataclass
class TimedCluster(Cluster):
    """A cluster whose time stands still until it is told to pass."""

    clock: FakeClock

    async def passes(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass in steps small enough for requests to be answered between them."""
        gone = 0.0
        while gone < seconds:
            await self.clock.advance(step)
            await asyncio.sleep(0.004)
            gone += step

    async def never(self, condition: Callable[[], Awaitable[Any]]) -> None:
        """The condition does not hold now, nor after everything that was under way has happened."""
        await self.passes(0.2, step=0.02)
        assert not await condition()


@pytest_asyncio.fixture
async def timed(tmp_path: Path) -> AsyncIterator[TimedCluster]:
    """API server, control plane and two nodes on one fake clock."""
    clock = FakeClock(START)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_apiserver(tmp_path, clock=clock))
        client = await stack.enter_async_context(Client.from_access(api.access))
        plane = ControlPlane(control_plane_config(api), clock=clock)
        await plane.start()
        stack.push_async_callback(plane.stop)
        nodes = await stack.enter_async_context(SimulatedNodes(client, clock=clock))
        for name in ("node-1", "node-2"):
            await nodes.add(name)
        yield TimedCluster(client, nodes, clock)


async def job_names(cluster: Cluster) -> list[str]:
    return sorted(name_of(job) for job in await cluster.items(JOBS))


async def test_cron_jobs_start_on_the_minute(timed: TimedCluster) -> None:
    timed.nodes.ending = {"tick": "Succeeded"}
    template = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web"}]} | NEVER}}}
    meta = {"name": "tick", "namespace": "default"}
    spec = {"schedule": "*/5 * * * *", "jobTemplate": template, "successfulJobsHistoryLimit": 2}
    await timed.client.create(CRONJOBS, {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec})
    await timed.passes(200, step=10)
    assert await job_names(timed) == []
    await timed.passes(100, step=10)
    first = f"tick-{int(START.timestamp()) // 60 + 5}"

    async def started() -> bool:
        return await job_names(timed) == [first]

    await timed.until(started)
    await timed.passes(3600, step=30)

    async def trimmed() -> bool:
        return len(await job_names(timed)) == 2 and first not in await job_names(timed)

    await timed.until(trimmed)


async def test_a_failing_jobs_pods_come_ever_more_slowly(timed: TimedCluster) -> None:
    timed.nodes.ending = {"bad": "Failed"}
    await timed.client.create(JOBS, workload(JOBS, "bad", pod=NEVER, backoffLimit=3))

    async def failures(count: int) -> bool:
        return (await status_of(timed, JOBS, "bad")).get("failed") == count

    await timed.until(lambda: failures(1))
    await timed.passes(8)
    assert await failures(1)
    await timed.passes(4)
    await timed.until(lambda: failures(2))
    await timed.passes(17)
    assert await failures(2)
    await timed.passes(5)
    await timed.until(lambda: failures(3))
    await timed.passes(45)
    await timed.until(lambda: finished(timed, "bad", "Failed"))


async def test_a_jobs_deadline_and_its_time_to_live(timed: TimedCluster) -> None:
    job = workload(JOBS, "long", pod=NEVER, activeDeadlineSeconds=60, ttlSecondsAfterFinished=30)
    await timed.client.create(JOBS, job)

    async def running() -> bool:
        return (await status_of(timed, JOBS, "long")).get("ready") == 1

    await timed.until(running)
    await timed.passes(55)
    assert await running()
    await timed.passes(10)
    status = await timed.until(lambda: finished(timed, "long", "Failed"))
    assert (find_condition(status["conditions"], "Failed") or {})["reason"] == "DeadlineExceeded"
    assert not await timed.pods("job-name=long")
    await timed.passes(40)

    async def gone() -> bool:
        return not await job_names(timed)

    await timed.until(gone)


async def test_a_rollout_that_does_not_move_is_called_stuck(timed: TimedCluster) -> None:
    timed.nodes.failing = ("web",)
    await timed.client.create(DEPLOYMENTS, deployment(replicas=1, progressDeadlineSeconds=120))

    async def reason() -> str:
        status = await status_of(timed, DEPLOYMENTS, "web")
        return (find_condition(status.get("conditions"), "Progressing") or {}).get("reason", "")

    await timed.until(reason)
    await timed.passes(100, step=5)
    assert await reason() == "ReplicaSetUpdated"
    await timed.passes(30, step=5)

    async def stuck() -> bool:
        return await reason() == "ProgressDeadlineExceeded"

    await timed.until(stuck)


async def test_ready_is_not_yet_available(timed: TimedCluster) -> None:
    await timed.client.create(DEPLOYMENTS, deployment(replicas=2, minReadySeconds=30))

    async def ready() -> bool:
        return (await status_of(timed, DEPLOYMENTS, "web")).get("readyReplicas") == 2

    await timed.until(ready)
    assert not (await status_of(timed, DEPLOYMENTS, "web")).get("availableReplicas")
    await timed.passes(32)
    await timed.until(lambda: rolled_out(timed))


async def test_a_node_is_given_up_after_its_lease_and_its_pods_after_their_patience(timed: TimedCluster) -> None:
    web = deployment(replicas=2)
    web["spec"]["template"]["spec"]["tolerations"] = [
        {"key": f"node.kubernetes.io/{kind}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for kind in ("not-ready", "unreachable")
    ]
    await timed.client.create(DEPLOYMENTS, web)
    await timed.until(lambda: rolled_out(timed))
    timed.nodes.silence("node-1")

    async def ready() -> bool:
        return condition_is_true((await timed.client.get(NODES, "node-1"))["status"]["conditions"], "Ready")

    await timed.passes(25)
    assert await ready()
    await timed.passes(20)
    assert not await ready()

    async def unready() -> bool:
        pods = [pod for pod in await timed.pods("app=web") if pod["spec"]["nodeName"] == "node-1"]
        return all(not condition_is_true(pod["status"]["conditions"], "Ready") for pod in pods)

    await timed.until(unready)
    await timed.passes(240, step=4)

    async def leaving() -> list[Object]:
        return [pod for pod in await timed.pods("app=web") if pod["metadata"].get("deletionTimestamp")]

    assert not await leaving()
    await timed.passes(70, step=4)
    await timed.until(leaving)


async def test_pods_of_a_node_that_is_gone_are_collected(timed: TimedCluster) -> None:
    container = {"name": "c", "image": "web"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lonely", "namespace": "default"},
        "spec": {"containers": [container], "nodeName": "node-2"},
    }
    await timed.client.create(PODS, pod)

    async def running() -> bool:
        return (await timed.client.get(PODS, "lonely", "default"))["status"].get("phase") == "Running"

    await timed.until(running)
    timed.nodes.silence("node-2")
    await timed.client.delete(NODES, "node-2")
    await timed.passes(30)
    assert await running()
    await timed.passes(15)

    async def gone() -> bool:
        return not await timed.pods()

    await timed.until(gone)


def service_at(address: str) -> Object:
    meta = {"name": "web", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": address, "ports": [PORT]}}


PORT = {"port": 80, "protocol": "TCP"}
NETWORKING = "networking.k8s.io/v1"


async def test_a_range_stays_while_a_service_needs_it(timed: TimedCluster) -> None:
    spare: Object = {"metadata": {"name": "spare"}, "spec": {"cidrs": ["203.0.113.0/24"]}}
    await timed.client.create(SERVICECIDRS, {"apiVersion": NETWORKING, "kind": "ServiceCIDR"} | spare)

    async def ready(value: str = "True") -> bool:
        status = (await timed.client.get(SERVICECIDRS, "spare")).get("status") or {}
        condition = find_condition(status.get("conditions"), "Ready")
        return condition is not None and condition["status"] == value

    await timed.until(ready, seconds=60)
    await timed.client.create(SERVICES, service_at("203.0.113.10"))
    await timed.client.delete(SERVICECIDRS, "spare")
    await timed.until(lambda: ready("False"), seconds=60)
    await timed.passes(15)
    assert await ready("False")
    await timed.client.delete(SERVICES, "web", "default")

    async def gone() -> bool:
        await timed.passes(1)
        return "spare" not in [name_of(entry) for entry in await timed.items(SERVICECIDRS, "")]

    await timed.until(gone, seconds=60)


async def test_addresses_are_repaired(timed: TimedCluster) -> None:
    await timed.client.create(SERVICES, service_at("10.96.7.7"))
    await timed.client.delete(IPADDRESSES, "10.96.7.7")
    labels = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    parent = {"resource": "services", "namespace": "default", "name": "nobody"}
    leaked = {"metadata": {"name": "10.96.7.8", "labels": labels}, "spec": {"parentRef": parent}}
    await timed.client.create(IPADDRESSES, {"apiVersion": NETWORKING, "kind": "IPAddress"} | leaked)

    async def repaired() -> bool:
        await timed.passes(2)
        names = [name_of(entry) for entry in await timed.items(IPADDRESSES, "")]
        return "10.96.7.7" in names and "10.96.7.8" not in names

    await timed.until(repaired, seconds=60)

    async def told() -> bool:
        reasons = {event["reason"] for event in await timed.items(EVENTS)}
        return {"ClusterIPNotAllocated", "IPAddressNotAllocated"} <= reasons

    await timed.until(told, seconds=60)
