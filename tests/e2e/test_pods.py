"""What a pod's spec promises, by its effect on real processes: volumes, hooks, probes, order, restarts, streams."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.minik import MinikCluster, eventually, need_kubectl

pytestmark = pytest.mark.e2e

HOST = "minik.local/host"


def sh(script: str, name: str = "app", **more: Any) -> dict[str, Any]:
    """A container that runs a shell script."""
    return {"name": name, "image": HOST, "command": ["sh", "-c", script], **more}


@pytest.fixture
def pods(cluster: MinikCluster) -> Iterator[Pods]:
    made = Pods(cluster)
    yield made
    made.clear()


class Pods:
    """Pods of one test, in the namespace default."""

    def __init__(self, cluster: MinikCluster) -> None:
        self.cluster = cluster
        self._objects: list[str] = []

    def apply(self, *objects: dict[str, Any]) -> None:
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
        self._objects += [f"{one['kind']}/{one['metadata']['name']}" for one in objects]

    def make(self, name: str, *containers: dict[str, Any], **spec: Any) -> None:
        full = {"terminationGracePeriodSeconds": 2, "containers": list(containers), **spec}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"t": name}}, "spec": full})

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.cluster.get("pod", name).get("status") or {}
        return status

    def until_phase(self, name: str, phase: str) -> dict[str, Any]:
        eventually(lambda: self.status(name).get("phase") == phase, what=f"{name} to be {phase}")
        return self.status(name)

    def until_ready(self, name: str) -> None:
        self.cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def logs(self, name: str, *argv: str) -> str:
        return self.cluster.kubectl("logs", name, *argv).stdout

    def container(self, name: str, container: str = "app") -> dict[str, Any]:
        status = self.status(name)
        entries = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        return next((entry for entry in entries if entry["name"] == container), {})

    def clear(self) -> None:
        if self._objects:
            self.cluster.kubectl("delete", "--ignore-not-found", "--grace-period=1", *self._objects)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_volumes_show_the_api_and_follow_it(pods: Pods) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"key": "s3cret"}}
    pods.apply(config_map("settings", greeting="hello"), secret)
    projected = [
        {"configMap": {"name": "settings", "items": [{"key": "greeting", "path": "deep/greeting", "mode": 0o400}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "test"}},
    ]
    mounts = [{"name": "all", "mountPath": "/all"}, {"name": "memory", "mountPath": "/memory"}]
    mounts += [{"name": "all", "mountPath": "/one/greeting", "subPath": "deep/greeting"}]
    volumes = [
        {"name": "all", "projected": {"sources": projected}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
    ]
    pods.make("volumes", sh("sleep 1000", volumeMounts=mounts), volumes=volumes)
    pods.until_ready("volumes")

    def read(script: str) -> str:
        return pods.cluster.exec("volumes", "sh", "-c", script)

    assert read("cat /all/deep/greeting /all/key /one/greeting") == "hellos3crethello"
    assert read("stat -L -c %a /all/deep/greeting").strip() == "400"
    assert read("cut -d. -f1 /all/token").startswith("ey")
    assert read("touch /all/x 2>/dev/null || echo refused").strip() == "refused"
    assert "tmpfs" in read("stat -f -c %T /memory")
    pods.apply(config_map("settings", greeting="good day"))
    pods.cluster.kubectl("label", "pod", "volumes", "more=yes")
    eventually(lambda: read("cat /all/deep/greeting") == "good day", what="the new greeting")
    eventually(lambda: 'more="yes"' in read("cat /all/labels"), what="the new label")


def test_a_pod_waits_for_what_it_refers_to(pods: Pods) -> None:
    reference = {"name": "late", "key": "key"}
    pods.make("waits", sh("echo $X; sleep 1000", env=[{"name": "X", "valueFrom": {"configMapKeyRef": reference}}]))
    eventually(lambda: "CreateContainerConfigError" in json.dumps(pods.container("waits")), what="the reason")
    assert pods.container("waits")["state"]["waiting"]["message"] == 'configmap "late" not found'
    pods.apply(config_map("late", key="here"))
    pods.until_phase("waits", "Running")
    eventually(lambda: pods.logs("waits") == "here\n", what="the variable")


def test_init_containers_sidecars_and_the_main_container_in_order(pods: Pods) -> None:
    mounts = [{"name": "w", "mountPath": "/w"}]
    say = "echo {} $(date +%s%N) >> /w/log"
    stop = "trap '" + say.format("side-stops") + "; exit 0' TERM; while :; do sleep 0.05; done"
    pods.make(
        "order",
        sh(f"{say.format('app')}; sleep 0.3; {say.format('app-ends')}; cat /w/log", volumeMounts=mounts),
        initContainers=[
            sh(say.format("first"), "first", volumeMounts=mounts),
            sh(f"{say.format('side')}; {stop}", "side", restartPolicy="Always", volumeMounts=mounts),
            sh(say.format("second"), "second", volumeMounts=mounts),
        ],
        volumes=[{"name": "w", "emptyDir": {}}],
        restartPolicy="Never",
    )
    pods.until_phase("order", "Succeeded")
    assert [line.split()[0] for line in pods.logs("order").splitlines()] == [
        "first",
        "side",
        "second",
        "app",
        "app-ends",
    ]
    assert pods.container("order", "side")["state"]["terminated"]["exitCode"] == 0


def test_crashes_are_counted_and_the_last_one_can_be_read(pods: Pods) -> None:
    script = (
        "echo attempt $(cat /w/n 2>/dev/null | wc -l); echo x >> /w/n; echo last words > /dev/termination-log; exit 7"
    )
    mounts, volumes = [{"name": "w", "mountPath": "/w"}], [{"name": "w", "emptyDir": {}}]
    pods.make("crashes", sh(script, volumeMounts=mounts), volumes=volumes)
    eventually(lambda: "CrashLoopBackOff" in json.dumps(pods.container("crashes")), what="the back-off")
    entry = pods.container("crashes")
    assert entry["restartCount"] == 1
    assert entry["lastState"]["terminated"]["exitCode"] == 7
    assert entry["lastState"]["terminated"]["message"] == "last words\n"
    assert pods.logs("crashes") == "attempt 1\n"
    assert pods.logs("crashes", "--previous") == "attempt 0\n"


def test_liveness_restarts_and_readiness_withdraws(pods: Pods) -> None:
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    pods.make(
        "probed",
        sh(
            "touch /tmp/live /tmp/ready; sleep 1000",
            livenessProbe={"exec": {"command": ["test", "-e", "/tmp/live"]}, **probe},
            readinessProbe={"exec": {"command": ["test", "-e", "/tmp/ready"]}, **probe},
        ),
    )
    pods.until_ready("probed")
    pods.cluster.exec("probed", "rm", "/tmp/ready")
    eventually(lambda: not pods.container("probed")["ready"], what="to be unready")
    assert pods.container("probed")["restartCount"] == 0
    pods.cluster.exec("probed", "rm", "/tmp/live")
    eventually(lambda: pods.container("probed")["restartCount"] == 1, what="the restart")
    pods.until_ready("probed")


def test_stopping_runs_the_hook_then_signals_then_kills(pods: Pods, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    mounts, volumes = [{"name": "h", "mountPath": "/h"}], [{"name": "h", "hostPath": {"path": str(tmp_path)}}]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /h/log"]}}}
    graceful = "trap 'echo term >> /h/log; exit 0' TERM; while :; do sleep 0.05; done"
    deaf = "trap '' TERM; while :; do sleep 0.05; done"
    containers = [sh(graceful, volumeMounts=mounts, lifecycle=hook), sh(deaf, "deaf")]
    pods.make("stops", *containers, volumes=volumes, terminationGracePeriodSeconds=3)
    pods.until_ready("stops")
    begun = time.monotonic()
    pods.cluster.kubectl("delete", "pod", "stops")
    assert time.monotonic() - begun >= 2.5, "the deaf container has its whole grace period"
    assert (tmp_path / "log").read_text().split() == ["hook", "term"]


def test_many_clients_of_one_pod_at_once(pods: Pods) -> None:
    pods.make("busy", sh("while :; do echo tick; sleep 0.1; done"))
    pods.until_ready("busy")
    kubectl = [need_kubectl(), "exec", "-i", "busy", "--"]

    def begin(index: int) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*kubectl, "sh", "-c", f"cat; exit {index}"], env=pods.cluster.environment, **pipes)

    running = [begin(index) for index in range(8)]
    payload = b"x" * 300_000
    for index, process in enumerate(running):
        output, _ = process.communicate(payload, timeout=30)
        assert (output, process.returncode) == (payload, index)
    with pods.cluster.following("logs", "-f", "--tail=1", "busy") as lines:
        assert [lines.readline() for _ in range(3)] == ["tick\n"] * 3
    left = "ps ax -o args= | grep -c '[c]at; exit' || true"
    eventually(lambda: pods.cluster.exec("busy", "sh", "-c", left).strip() == "0", what="the commands to be gone")


def test_copying_into_a_pod_and_back(pods: Pods, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "in").write_bytes(bytes(range(256)) * 4000)
    pods.make("copy", sh("sleep 1000"))
    pods.until_ready("copy")
    pods.cluster.kubectl("cp", str(tmp_path / "in"), "copy:/tmp/file")
    pods.cluster.kubectl("cp", "copy:/tmp/file", str(pods.cluster.home / "out"))
    assert (pods.cluster.home / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_a_killed_agent_finds_its_pods_as_they_were(pods: Pods) -> None:
    pods.make("stays", sh("while :; do date +%s%N; sleep 0.05; done"))
    pods.until_ready("stays")
    before = pods.cluster.get("pod", "stays")
    node = before["spec"]["nodeName"]
    killed = pods.cluster.parts()[f"agent-{node}"]
    pods.cluster.run("kill", "-9", str(killed))
    eventually(lambda: pods.cluster.parts().get(f"agent-{node}") not in (None, killed), what="the new agent")
    eventually(lambda: pods.cluster.kubectl("exec", "stays", "--", "true", check=False).returncode == 0, what="exec")
    after = pods.cluster.get("pod", "stays")
    assert after["status"] == before["status"]


def test_a_pod_takes_a_port_of_its_node(pods: Pods) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pods.make("port", {"name": "app", "image": "minik.local/echo", "ports": [{"containerPort": 80, "hostPort": port}]})
    pods.make("client", sh("sleep 1000"))
    for name in ("port", "client"):
        pods.until_ready(name)
    address = pods.status("port")["hostIP"]
    answer = pods.cluster.exec("client", "curl", "-sS", "--max-time", "5", f"http://{address}:{port}/hostname")
    assert answer.strip() == "port"
