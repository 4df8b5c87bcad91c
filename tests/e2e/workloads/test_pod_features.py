"""What a pod's spec promises, each by its effect: a table of pods that all start at once and say what they found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from minikube_py.api.meta import find_condition
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from minikube_py.api.types import Object
from minikube_py.client.rest import PatchKind
from tests.support.field import Field
from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

HOST, ECHO = "minik.local/host", "minik.local/echo"
STAY = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
FAST = {"periodSeconds": 1, "failureThreshold": 1}


def sh(script: str, name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": HOST, "command": ["bash", "-c", script], **more}


def one(script: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"containers": [sh(script, **(container or {}))], **spec}


def secure(**how: Any) -> dict[str, Any]:
    return {"securityContext": how}


#: name -> (spec, what the log of container "c" says).
SAYS: dict[str, tuple[dict[str, Any], str]] = {
    each["name"]: (each["spec"], each["says"])
    for each in yaml.safe_load(Path(__file__).with_name("pods.yaml").read_text())
}


def pod(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    full = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, **spec}
    metadata = {"name": name, "labels": {"t": "yes", "p": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": full}


def probed(name: str, kind: str, probe: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    return pod(name, {"restartPolicy": "Always", "containers": [{**container, kind: {**FAST, **probe}}]})


def echo(**more: Any) -> dict[str, Any]:
    return {"name": "c", "image": ECHO, "ports": [{"containerPort": 8080}], **more}


def objects() -> list[dict[str, Any]]:
    """Everything at once."""
    started = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "failureThreshold": 60}
    dead = {"exec": {"command": ["false"]}}
    slow = sh(f"{STAY}", startupProbe={**FAST, **started}, livenessProbe={**FAST, **dead})
    greedy = "x=$(head -c 200m /dev/zero | tr '\\0' x); echo survived"
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo hooked > /proc/1/fd/1"]}}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "facts"}, "data": {"k": "known"}},
        *(pod(name, spec) for name, (spec, _) in SAYS.items()),
        pod("starts-late", {"restartPolicy": "Always", "containers": [slow]}),
        probed("asked-by-http", "readinessProbe", {"httpGet": {"path": "/", "port": 8080}}, echo()),
        probed("asked-in-vain", "readinessProbe", {"tcpSocket": {"port": 81}}, echo()),
        pod("gated", {**one(STAY), "readinessGates": [{"conditionType": "example.com/open"}]}),
        pod("hooked", one(STAY, {"lifecycle": hook})),
        pod("overdue", one("sleep 1000", activeDeadlineSeconds=1)),
        pod("last-words", one("echo the end; exit 3", {"terminationMessagePolicy": "FallbackToLogsOnError"})),
        pod("greedy", one(greedy, {"resources": {"limits": {"memory": "32Mi", "cpu": "1"}}})),
        pod("not-root", one("true", secure(runAsNonRoot=True))),
        pod("talks", one("for i in $(seq 5); do echo line $i; done; " + STAY)),
        pod("debugged", one(STAY)),
        pod("held", {**one("echo free"), "schedulingGates": [{"name": "example.com/wait"}]}),
    ]


@pytest.mark.parametrize("name", SAYS)
async def test_a_pod_finds_what_its_spec_says(field: Field, name: str) -> None:
    async def look() -> bool:
        status = (await field.get(PODS, name))["status"]
        entry = next(iter(status.get("containerStatuses") or ()), {})
        return bool((entry.get("state") or {}).get("terminated"))

    await field.until(look, what=f"the end of {name}")
    said = " ".join((await field.log(name, container="c")).split())
    assert said == SAYS[name][1].format(ns=field.namespace)


def entry(found: Object) -> dict[str, Any]:
    status: dict[str, Any] = next(iter(found["status"].get("containerStatuses") or ()), {})
    return status


async def test_nothing_else_is_asked_before_the_start_is_over(field: Field, cluster: MinikCluster) -> None:
    await field.until_phase("starts-late", "Running")
    assert entry(await field.get(PODS, "starts-late"))["restartCount"] == 0
    cluster.exec("starts-late", "touch", "/tmp/up", namespace=field.namespace)

    async def restarted() -> bool:
        return bool(entry(await field.get(PODS, "starts-late"))["restartCount"])

    await field.until(restarted, what="the liveness probe to be asked, and to fail")


async def test_readiness_is_asked_over_the_network(field: Field) -> None:
    async def ready() -> bool:
        return bool(entry(await field.get(PODS, "asked-by-http")).get("ready"))

    await field.until(ready, what="an answer")
    assert not entry(await field.until_phase("asked-in-vain", "Running"))["ready"]


async def test_a_gate_keeps_a_pod_unready_until_somebody_opens_it(field: Field) -> None:
    await field.until_phase("gated", "Running")

    async def condition(kind: str) -> str:
        return str((find_condition((await field.get(PODS, "gated"))["status"]["conditions"], kind) or {})["status"])

    assert (await condition("ContainersReady"), await condition("Ready")) == ("True", "False")
    opened = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}

    await field.client.patch(PODS, "gated", opened, field.namespace, kind=PatchKind.STRATEGIC, subresource="status")

    async def ready() -> bool:
        return await condition("Ready") == "True"

    await field.until(ready, what="the gate to count")


async def test_the_hook_after_the_start_runs_inside(field: Field) -> None:
    assert (await field.until_log("hooked", "hooked")).split() == ["hooked"]


@pytest.mark.parametrize(
    ("name", "reason"), [("overdue", "DeadlineExceeded"), ("last-words", "Error"), ("greedy", "OOMKilled")]
)
async def test_failures_are_told(field: Field, name: str, reason: str) -> None:
    failed = await field.until_phase(name, "Failed")
    if name == "overdue":
        assert failed["status"]["reason"] == reason
        return
    ended = entry(failed)["state"]["terminated"]
    assert ended["reason"] == reason
    if name == "last-words":
        assert (ended["exitCode"], ended["message"]) == (3, "the end\n")


async def test_root_is_refused_where_it_must_not_be(field: Field) -> None:
    async def waiting() -> str:
        return str(
            ((entry(await field.get(PODS, "not-root")).get("state") or {}).get("waiting") or {}).get("message", "")
        )

    assert "run as root" in await field.until(waiting, what="the refusal")


async def test_logs_are_cut_as_asked(field: Field) -> None:
    await field.until_log("talks", "line 5")
    assert await field.log("talks", tailLines="2") == "line 4\nline 5\n"
    assert await field.log("talks", limitBytes="6") == "line 1"
    assert (await field.log("talks", timestamps="true", tailLines="1")).split()[1:] == ["line", "5"]


async def test_an_ephemeral_container_joins_a_running_pod(field: Field) -> None:
    await field.until_phase("debugged", "Running")
    found = await field.client.get(PODS, "debugged", field.namespace, subresource="ephemeralcontainers")
    debugger = {"name": "eye", "image": HOST, "command": ["bash", "-c", "pgrep -f '[t]rap' >/dev/null && echo seen"]}
    found["spec"]["ephemeralContainers"] = [debugger | {"targetContainerName": "c"}]
    await field.client.update(PODS, found, subresource="ephemeralcontainers")
    await field.until_log("debugged", "seen", container="eye")
    assert entry(await field.get(PODS, "debugged"))["restartCount"] == 0


async def test_a_scheduling_gate_holds_a_pod(field: Field) -> None:
    assert not (await field.get(PODS, "held"))["spec"].get("nodeName")
    await field.client.patch(PODS, "held", {"spec": {"schedulingGates": []}}, field.namespace)
    await field.until_phase("held", "Succeeded")
    assert await field.log("held") == "free\n"


async def test_a_claim_keeps_what_a_pod_wrote_for_the_next_one(field: Field, tmp_path: Path) -> None:
    """The claim waits for its first pod, stays while a pod uses it, and leaves the volume behind."""
    volume, client = f"{field.namespace}-disk", field.client
    await client.create(STORAGECLASSES, _local_class(volume))
    await client.create(PERSISTENTVOLUMES, _local_volume(volume, tmp_path))
    await client.create(PERSISTENTVOLUMECLAIMS, _claim("data", volume), field.namespace)
    mounted = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    try:
        await client.create(PODS, pod("writes", one("echo kept > /v/file", mount, **mounted)), field.namespace)
        await field.until_phase("writes", "Succeeded")
        assert (tmp_path / "file").read_text() == "kept\n"
        await client.create(PODS, pod("reads", one(f"cat /v/file; {STAY}", mount, **mounted)), field.namespace)
        await field.until_log("reads", "kept")
        await client.delete(PERSISTENTVOLUMECLAIMS, "data", field.namespace)
        assert (await field.get(PERSISTENTVOLUMECLAIMS, "data"))["metadata"]["deletionTimestamp"]
        for name in ("writes", "reads"):
            await client.delete(PODS, name, field.namespace)
        await field.until_gone(PERSISTENTVOLUMECLAIMS, "data")
        assert (await client.get(PERSISTENTVOLUMES, volume))["spec"]["claimRef"]["name"] == "data"
    finally:
        await client.delete(STORAGECLASSES, volume)
        await client.delete(PERSISTENTVOLUMES, volume)


def _local_class(name: str) -> dict[str, Any]:
    fields = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}} | fields


def _local_volume(name: str, path: Path) -> dict[str, Any]:
    anywhere = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "local": {"path": str(path)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [anywhere]}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def _claim(name: str, storage_class: str) -> dict[str, Any]:
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": resources}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
