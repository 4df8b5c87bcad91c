"""Things are killed under a steady load of new connections through a NodePort on the host's loopback."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.load import Load
from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e

NODE_PORT = 30055
#: Seconds within which every node must have heard of a withdrawn endpoint, on a machine busy with other tests.
WITHDRAWN = 0.5
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: echo
        image: minik.local/echo
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080, nodePort: {NODE_PORT}}}]}}
"""


@pytest.fixture
def web(make_cluster: Callable[..., MinikCluster]) -> Iterator[MinikCluster]:
    cluster = make_cluster(name="faults")
    cluster.up(nodes=3, extra=["--node-grace", "4"])
    cluster.apply(MANIFEST)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: len(_endpoints(cluster)) == 3, what="three endpoints")
    yield cluster


def _pods(cluster: MinikCluster) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cluster.get("pods", "-l", "app=web")["items"]
    return items


def _endpoints(cluster: MinikCluster) -> set[str]:
    """The names of the pods that the Service's slices call ready."""
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    return {
        endpoint["targetRef"]["name"]
        for one in slices
        for endpoint in one.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
    }


def _pid_of(cluster: MinikCluster, pod: dict[str, Any]) -> int:
    """The process of a pod's container, found among the descendants of its node's machine by its host name."""
    from benchmarks.processes import tree

    machine = cluster.parts()[f"machine-{pod['spec']['nodeName']}"]
    for pid in tree(machine) - {machine}:
        with open(f"/proc/{pid}/cmdline", "rb"), open(f"/proc/{pid}/comm") as comm:
            if comm.read().strip() == "echo":
                return pid
    raise AssertionError(f"no process for {pod['metadata']['name']}")


def test_a_deleted_pod_is_drained_and_replaced(web: MinikCluster) -> None:
    victim = _pods(web)[0]["metadata"]["name"]
    with Load(f"http://127.0.0.1:{NODE_PORT}/hostname") as load:
        load.wait_for(100)
        web.kubectl("delete", "pod", victim, "--wait=true")
        gone = time.monotonic()
        eventually(lambda: len(_endpoints(web)) == 3, what="the replacement")
        load.wait_for(100)
    assert not load.failures
    assert victim in {outcome.answer for outcome in load.outcomes}
    assert victim not in load.answers_since(gone)


def test_a_rolling_update_loses_no_request(web: MinikCluster) -> None:
    before = {pod["metadata"]["name"] for pod in _pods(web)}
    with Load(f"http://127.0.0.1:{NODE_PORT}/hostname") as load:
        load.wait_for(50)
        web.kubectl("set", "env", "deployment/web", "VERSION=2")
        web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        eventually(lambda: not before & _endpoints(web), what="the old pods to leave")
        done = time.monotonic()
        load.wait_for(100)
    assert not load.failures
    assert not before & load.answers_since(done)


def test_a_killed_process_is_restarted_and_asked_again_only_when_ready(web: MinikCluster) -> None:
    pod = _pods(web)[0]
    name = pod["metadata"]["name"]
    with Load(f"http://127.0.0.1:{NODE_PORT}/hostname") as load:
        load.wait_for(100)
        os.kill(_pid_of(web, pod), signal.SIGKILL)
        killed = time.monotonic()

        def restarted() -> bool:
            status = web.get("pod", name)["status"]["containerStatuses"][0]
            return bool(status["restartCount"] == 1 and status["ready"])

        eventually(restarted, what="the restart")
        load.wait_for(100)
    # What the killed process had accepted is lost, until its endpoint is withdrawn; nothing that begins later is.
    assert not [failure for failure in load.failures if failure.began > killed + WITHDRAWN]
    assert name in load.answers_since(killed)


def test_a_killed_agent_adopts_its_pods(web: MinikCluster) -> None:
    before = {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in _pods(web)}
    with Load(f"http://127.0.0.1:{NODE_PORT}/hostname") as load:
        load.wait_for(100)
        old = web.parts()["agent-faults-2"]
        os.kill(old, signal.SIGKILL)
        killed = time.monotonic()
        eventually(lambda: web.parts().get("agent-faults-2", old) != old, what="the agent to come back")
        load.wait_for(400)
    # Connections that the killed agent was carrying are lost, and those it had accepted but not yet served.
    assert not [failure for failure in load.failures if failure.began > killed + WITHDRAWN]
    assert {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in _pods(web)} == before
    assert all(pod["status"]["containerStatuses"][0]["restartCount"] == 0 for pod in _pods(web))
    assert len(load.answers_since(killed)) == 3


def test_a_dead_node_turns_not_ready_and_its_endpoints_leave(web: MinikCluster) -> None:
    lost = {pod["metadata"]["name"] for pod in _pods(web) if pod["spec"]["nodeName"] == "faults-3"}
    assert lost
    with Load(f"http://127.0.0.1:{NODE_PORT}/hostname") as load:
        load.wait_for(100)
        web.minik("node", "stop", "--name", "faults", "faults-3")
        web.kubectl("wait", "node/faults-3", "--for=condition=Ready=Unknown", "--timeout=60s")
        eventually(lambda: not lost & _endpoints(web), what="the endpoints of the lost node to leave")
        withdrawn = time.monotonic()
        load.wait_for(200)
    assert not [failure for failure in load.failures if failure.began > withdrawn + WITHDRAWN]
    web.minik("node", "start", "--name", "faults", "faults-3")
    web.kubectl("wait", "node/faults-3", "--for=condition=Ready", "--timeout=60s")
    eventually(lambda: len(_endpoints(web)) == 3, within=60, what="three endpoints again")
