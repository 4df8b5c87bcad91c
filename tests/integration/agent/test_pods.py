"""Pods on the simulated runtime against the real API server: what a user sees of each stage of a pod's life."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.runtime.protocol import ContainerSpec, ContainerState, ContainerStatus, SandboxSpec
from agent.runtime.simulated import ExecResult, Script, SimulatedImages, SimulatedRuntime
from minikube_py.aio.clock import FakeClock, SystemClock
from minikube_py.api.errors import AlreadyExists, NotFound
from minikube_py.api.resources import CONFIGMAPS, EVENTS, NAMESPACES, PODS, SECRETS, SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.rest import Client, PatchKind
from tests.support.apiserver import running_apiserver
from tests.support.podnode import PodNode, condition, container, phase, running_node

CLOCK = SystemClock()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running_apiserver(tmp_path) as api, Client.from_access(api.access) as found:
        await ensure(found, NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        account = {"name": "default", "namespace": "default"}
        await ensure(found, SERVICEACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        yield found


async def ensure(client: Client, resource: Any, obj: Object) -> None:
    try:
        await client.create(resource, obj, obj["metadata"].get("namespace"))
    except AlreadyExists:
        pass


def scripted(**scripts: Script) -> SimulatedRuntime:
    """A runtime whose containers do what is written for their names."""

    def script(_: SandboxSpec, spec: ContainerSpec) -> Script:
        return scripts.get(spec.name, Script())

    return SimulatedRuntime(clock=CLOCK, scripts=script)


async def eventually(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if reached():
                return
            await asyncio.sleep(0.005)


async def events_of(client: Client, reason: str) -> list[str]:
    found = await client.list(EVENTS, "default")
    return [event["message"] for event in found.items if event["reason"] == reason]


async def until_told(client: Client, reason: str, wanted: str) -> None:
    """The recorder writes in its own time."""
    async with asyncio.timeout(60):
        while not any(wanted in message for message in await events_of(client, reason)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_pod_starts_answers_its_deletion_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({})
        pod = await node.until(lambda pod: phase(pod) == "Running")
        assert condition(pod, "Ready") == "True"
        assert pod["status"]["podIP"] == "10.244.0.2"
        assert pod["status"]["hostIP"] == "192.168.230.11"
        assert container(pod)["started"] is True
        await client.delete(PODS, "web", "default")
        await node.until_gone()
        await node.until_clean()


async def test_a_pod_that_ends_keeps_its_exit_and_its_log_until_it_is_deleted(client: Client, tmp_path: Path) -> None:
    runtime = scripted(app=Script(exit_after=0.01, exit_code=3, message="bye"))
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({"restartPolicy": "Never"})
        pod = await node.until(lambda pod: phase(pod) == "Failed")
        assert container(pod)["state"]["terminated"]["exitCode"] == 3
        assert container(pod)["state"]["terminated"]["message"] == "bye"
        assert condition(pod, "Ready") == "False"
        (status,) = await runtime.list_containers()
        assert status.state is ContainerState.EXITED
        assert node.network.attached == {}
        await client.delete(PODS, "web", "default")
        await node.until_gone()
        await node.until_clean()


async def test_init_containers_run_in_order_and_sidecars_stop_last(client: Client, tmp_path: Path) -> None:
    runtime = scripted(
        one=Script(exit_after=0.01), two=Script(exit_after=0.01), app=Script(exit_after=0.05), side=Script()
    )
    spec = {
        "restartPolicy": "Never",
        "initContainers": [
            {"name": "one", "image": "i"},
            {"name": "side", "image": "i", "restartPolicy": "Always"},
            {"name": "two", "image": "i"},
        ],
    }
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create(spec)
        pod = await node.until(lambda pod: phase(pod) == "Succeeded")
        made = {status.name: status for status in await runtime.list_containers()}
        assert [one["name"] for one in pod["status"]["initContainerStatuses"]] == ["one", "side", "two"]
        assert made["one"].finished_at <= made["side"].started_at <= made["two"].started_at  # type: ignore[operator]
        assert made["two"].finished_at <= made["app"].started_at  # type: ignore[operator]
        assert made["app"].finished_at <= made["side"].finished_at  # type: ignore[operator]
        assert container(pod, "two")["ready"] is True


async def test_a_missing_image_is_told_and_comes_back_when_it_is_there(client: Client, tmp_path: Path) -> None:
    clock = FakeClock()
    images = SimulatedImages(missing=("minik.local/echo",))
    runtime = SimulatedRuntime(clock=clock, images=images)
    async with running_node(client, runtime, tmp_path / "node", clock=clock) as node:
        await node.create({})
        await moving(node, lambda pod: waiting(pod) == "ErrImagePull", 0.1)
        pod = await moving(node, lambda pod: waiting(pod) == "ImagePullBackOff", 0.5)
        assert 'Back-off pulling image "minik.local/echo"' in container(pod)["state"]["waiting"]["message"]
        images.missing.clear()
        await moving(node, lambda pod: phase(pod) == "Running", 5)


async def test_crashes_are_backed_off_and_counted(client: Client, tmp_path: Path) -> None:
    clock = FakeClock()
    runtime = SimulatedRuntime(clock=clock, scripts=lambda _box, _spec: Script(exit_after=1, exit_code=1))
    async with running_node(client, runtime, tmp_path / "node", clock=clock) as node:
        await node.create({})
        pod = await moving(node, lambda pod: waiting(pod) == "CrashLoopBackOff", 0.5)
        assert container(pod)["restartCount"] == 1
        assert container(pod)["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=app")
        assert phase(pod) == "Running"
        await moving(node, lambda pod: container(pod)["restartCount"] == 2, 2)
        pod = await moving(
            node, lambda pod: "back-off 20s" in (container(pod)["state"].get("waiting") or {}).get("message", ""), 1
        )
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 1
        assert len(await runtime.list_containers()) == 2
        count = container(pod)["restartCount"]
        patch = {"spec": {"containers": [{"name": "app", "image": "another"}]}}
        await client.patch(PODS, "web", patch, "default", kind=PatchKind.STRATEGIC)
        await node.until(lambda pod: container(pod)["restartCount"] == count + 1)


async def moving(node: PodNode, reached: Any, seconds: float) -> Object:
    """The pod once ``reached`` holds, with time passing in steps of ``seconds``."""
    assert isinstance(node.clock, FakeClock)
    for _ in range(200):
        try:
            pod = await node.until(reached, seconds=0.05)
        except AssertionError:
            await node.clock.advance(seconds)
        else:
            return pod
    raise AssertionError(f"not reached; the pod is {await node.get()}")


def waiting(pod: Object) -> str:
    return str(((container(pod).get("state") or {}).get("waiting") or {}).get("reason"))


async def test_a_failed_liveness_probe_restarts_and_readiness_follows_its_probe(client: Client, tmp_path: Path) -> None:
    answers = {"live": 0, "ready": 1}

    def on_exec(_: ContainerStatus, command: tuple[str, ...], __: bytes) -> ExecResult:
        return ExecResult(answers[command[0]], stdout=b"says no")

    clock = FakeClock()
    runtime = SimulatedRuntime(clock=clock, on_exec=on_exec)
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    app = {
        "name": "app",
        "image": "i",
        "livenessProbe": {"exec": {"command": ["live"]}, **probe},
        "readinessProbe": {"exec": {"command": ["ready"]}, **probe},
    }
    async with running_node(client, runtime, tmp_path / "node", clock=clock) as node:
        await node.create({"containers": [app], "terminationGracePeriodSeconds": 1})
        pod = await moving(node, lambda pod: phase(pod) == "Running", 0.1)
        assert condition(pod, "Ready") == "False"
        answers["ready"] = 0
        await moving(node, lambda pod: condition(pod, "Ready") == "True", 0.5)
        answers["live"] = 1
        await moving(node, lambda pod: container(pod)["restartCount"] == 1, 0.5)
        answers["live"] = 0
        await moving(node, lambda pod: condition(pod, "Ready") == "True", 0.5)
        await until_told(client, "Unhealthy", "Liveness probe failed: says no")
        await until_told(client, "Killing", "Container app failed liveness probe, will be restarted")


async def test_volumes_and_environment_come_from_the_api_and_follow_it(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}
    spec = {
        "containers": [
            {
                "name": "app",
                "image": "i",
                "env": [{"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}}],
                "envFrom": [{"secretRef": {"name": "s"}}],
                "volumeMounts": [{"name": "config", "mountPath": "/config"}, {"name": "work", "mountPath": "/work"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "cm"}}, {"name": "work", "emptyDir": {}}],
    }
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create(spec)
        await node.until(lambda pod: (pod.get("status") or {}).get("phase") == "Pending")
        await client.create(CONFIGMAPS, config | {"data": {"key": "one"}}, "default")
        password = base64.b64encode(b"hunter2").decode()
        await client.create(SECRETS, secret | {"data": {"PASSWORD": password}}, "default")
        await node.until(lambda pod: phase(pod) == "Running")
        (status,) = await runtime.list_containers()
        made = runtime.spec(status.id)
        assert (made.env["KEY"], made.env["PASSWORD"]) == ("one", "hunter2")
        mounts = {mount.target: mount for mount in made.mounts}
        assert mounts["/config"].read_only
        assert not mounts["/work"].read_only
        assert set(mounts) == {"/config", "/work", "/etc/hosts"}
        file = mounts["/config"].source / "key"
        assert file.read_text() == "one"
        await client.patch(CONFIGMAPS, "cm", {"data": {"key": "two"}}, "default")
        await eventually(lambda: file.read_text() == "two")
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.until(lambda pod: phase(pod) == "Running")
        await client.patch(CONFIGMAPS, "cm", {"data": {"key": "three"}}, "default")
        await eventually(lambda: file.read_text() == "three")
        assert await runtime.list_containers() == [status]


async def test_a_restarted_agent_adopts_its_pods_and_clears_what_nobody_wants(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({}, name="stays")
        await node.create({}, name="goes")
        before = await node.until(lambda pod: condition(pod, "Ready") == "True", name="stays")
        await node.until(lambda pod: condition(pod, "Ready") == "True", name="goes")
        network = node.network
    assert {status.state for status in await runtime.list_containers()} == {ContainerState.RUNNING}
    await client.delete(PODS, "goes", "default", grace_seconds=0)
    forgotten = tmp_path / "node" / "logs" / "default_went_0b1c2d3e"
    forgotten.mkdir()
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK, network=network) as node:
        await node.until_gone(name="goes")
        await eventually(lambda: not forgotten.exists())
        await eventually(lambda: len(network.attached) == 1)
        await node.create({}, name="new")
        await node.until(lambda pod: phase(pod) == "Running", name="new")
        after = await node.get("stays")
        assert after["status"] == before["status"]
        assert len(await runtime.list_sandboxes()) == 2


async def test_a_lost_sandbox_is_made_again(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({})
        await node.until(lambda pod: phase(pod) == "Running")
        (box,) = await runtime.list_sandboxes()
        runtime.lose_sandbox(box.id)
        pod = await node.until(
            lambda pod: container(pod).get("restartCount") == 1 and container(pod)["state"].get("running")
        )
        assert phase(pod) == "Running"
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 137
        (fresh,) = await runtime.list_sandboxes()
        assert fresh.id != box.id


async def test_a_deadline_ends_the_pod(client: Client, tmp_path: Path) -> None:
    clock = FakeClock()
    runtime = SimulatedRuntime(clock=clock)
    async with running_node(client, runtime, tmp_path / "node", clock=clock) as node:
        await node.create({"activeDeadlineSeconds": 30})
        await moving(node, lambda pod: phase(pod) == "Running", 0.1)
        pod = await moving(node, lambda pod: phase(pod) == "Failed", 5)
        assert pod["status"]["reason"] == "DeadlineExceeded"
        await moving(node, lambda pod: container(pod)["state"].get("terminated") is not None, 5)


async def test_a_stubborn_container_is_killed_after_its_grace_and_a_second_delete_hurries(
    client: Client, tmp_path: Path
) -> None:
    clock = FakeClock()
    runtime = SimulatedRuntime(clock=clock, scripts=lambda _box, _spec: Script(stop_seconds=1e9))
    async with running_node(client, runtime, tmp_path / "node", clock=clock) as node:
        await node.create({"terminationGracePeriodSeconds": 600})
        await moving(node, lambda pod: phase(pod) == "Running", 0.1)
        await client.delete(PODS, "web", "default")
        await node.until(lambda pod: pod["metadata"].get("deletionTimestamp"))
        await clock.advance(60)
        assert phase(await node.get()) == "Running"
        await client.delete(PODS, "web", "default", grace_seconds=1)
        for _ in range(100):
            await clock.advance(1)
            found = await client.list(PODS, "default")
            if not found.items:
                break
        else:
            raise AssertionError("still there")
        await node.until_clean()


async def test_pre_stop_runs_before_the_signal_and_post_start_after_the_start(client: Client, tmp_path: Path) -> None:
    told: list[str] = []

    def on_exec(status: ContainerStatus, command: tuple[str, ...], _: bytes) -> ExecResult:
        told.append(f"{command[0]} {status.state}")
        return ExecResult()

    runtime = SimulatedRuntime(clock=CLOCK, on_exec=on_exec)
    hooks = {"postStart": {"exec": {"command": ["hello"]}}, "preStop": {"exec": {"command": ["good-bye"]}}}
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({"containers": [{"name": "app", "image": "i", "lifecycle": hooks}]})
        await node.until(lambda pod: phase(pod) == "Running")
        await eventually(lambda: told == ["hello running"])
        await client.delete(PODS, "web", "default")
        await node.until_gone()
        assert told == ["hello running", "good-bye running"]


MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: static}
spec:
  containers: [{name: app, image: "minik.local/echo:1"}]
"""


async def test_a_running_pod_gets_other_resources_and_says_so(client: Client, tmp_path: Path) -> None:
    async with running_node(client, scripted(), tmp_path / "node", clock=CLOCK) as node:
        app = {"name": "app", "image": "minik.local/echo", "resources": {"requests": {"cpu": "1", "memory": "64Mi"}}}
        await node.create({"containers": [app]})
        before = await node.until(lambda pod: container(pod).get("ready"))
        wanted = {"requests": {"cpu": "500m", "memory": "64Mi"}}
        patch = {"spec": {"containers": [{"name": "app", "resources": wanted}]}}
        await client.patch(PODS, "web", patch, "default", subresource="resize", kind=PatchKind.STRATEGIC)
        after = await node.until(lambda pod: container(pod).get("resources") == wanted)
        assert container(after)["allocatedResources"] == wanted["requests"]
        assert container(after)["containerID"] == container(before)["containerID"]
        assert not [one for one in after["status"]["conditions"] if one["type"].startswith("PodResize")]
        await until_told(client, "ResizeCompleted", "")


async def test_a_pod_that_writes_too_much_is_evicted(client: Client, tmp_path: Path) -> None:
    async with running_node(client, scripted(), tmp_path / "node", clock=CLOCK) as node:
        app = {"name": "app", "image": "minik.local/echo", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
        await node.create({"containers": [app], "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}]})
        pod = await node.until(lambda pod: phase(pod) == "Running")
        volume = tmp_path / "node/pods" / pod["metadata"]["uid"] / "volumes/kubernetes.io~empty-dir/cache"
        (volume / "much").write_bytes(b"x" * (2 << 20))
        await node.manager._eviction.check()
        pod = await node.until(lambda pod: phase(pod) == "Failed")
        assert pod["status"]["reason"] == "Evicted"
        assert pod["status"]["message"] == 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '


async def test_a_static_pod_runs_is_mirrored_and_goes_with_its_file(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    manifests = tmp_path / "node" / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "broken.yaml").write_text("kind: [")
    name = "static-node-1"
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        (manifests / "static.yaml").write_text(MANIFEST)
        mirror = await appears(node, name)
        await node.until(lambda pod: condition(pod, "Ready") == "True", name=name)
        await client.delete(PODS, name, "default", grace_seconds=0)
        again = await appears(node, name, other_than=mirror["metadata"]["uid"])
        await node.until(lambda pod: condition(pod, "Ready") == "True", name=name)
        assert container(again, "app").get("restartCount", 0) == 0
        (status,) = await runtime.list_containers()
        (manifests / "static.yaml").write_text(MANIFEST.replace("echo:1", "echo:2"))
        await appears(node, name, other_than=again["metadata"]["uid"])
        await eventually_async(lambda: _images(runtime), ["minik.local/echo:2"])
        (manifests / "static.yaml").unlink()
        await node.until_gone(name=name)
        await node.until_clean()
    assert status.image == "minik.local/echo:1"


async def _images(runtime: SimulatedRuntime) -> list[str]:
    return [one.image for one in await runtime.list_containers() if one.state is ContainerState.RUNNING]


async def eventually_async(read: Any, wanted: object, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await read() == wanted:
                return
            await asyncio.sleep(0.005)


async def appears(node: PodNode, name: str, *, other_than: str = "") -> Object:
    async with asyncio.timeout(60):
        while True:
            try:
                pod = await node.get(name)
            except NotFound:
                pod = {"metadata": {"uid": other_than}}
            if pod["metadata"]["uid"] != other_than:
                return pod
            await asyncio.sleep(0.005)


async def test_restarts_are_counted_across_agents_and_machines(client: Client, tmp_path: Path) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    for count in range(3):
        async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
            if count == 0:
                await node.create({})
            await node.until(lambda pod, n=count: container(pod).get("restartCount") == n and phase(pod) == "Running")
            for box in await runtime.list_sandboxes():
                await runtime.remove_sandbox(box.id)
            await node.until(
                lambda pod, n=count: container(pod)["restartCount"] == n + 1 and container(pod)["state"].get("running")
            )


async def test_when_the_machine_forgets_everything_only_what_may_restart_comes_back(
    client: Client, tmp_path: Path
) -> None:
    runtime = SimulatedRuntime(clock=CLOCK)
    async with running_node(client, runtime, tmp_path / "node", clock=CLOCK) as node:
        await node.create({}, name="always")
        await node.create({"restartPolicy": "Never"}, name="never")
        for name in ("always", "never"):
            await node.until(lambda pod: phase(pod) == "Running", name=name)
        for box in await runtime.list_sandboxes():
            await runtime.remove_sandbox(box.id)
        failed = await node.until(lambda pod: phase(pod) == "Failed", name="never")
        assert container(failed)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        pod = await node.until(
            lambda pod: container(pod)["restartCount"] == 1 and phase(pod) == "Running", name="always"
        )
        assert pod["status"]["podIP"] == "10.244.0.2"
        assert {one.name for one in await runtime.list_sandboxes()} == {"always"}
