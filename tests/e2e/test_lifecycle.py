"""`minik up` and `minik down`, as a new user and after every kind of crash."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e

Make = Callable[..., MinikCluster]


def _processes(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def test_up_twice_and_down_leaves_nothing(make_cluster: Make, someone: str | None) -> None:
    cluster = make_cluster(user=someone)
    cluster.kubeconfig.write_text(yaml.safe_dump({"contexts": [{"name": "mine", "context": {"cluster": "c"}}]}))
    if someone:
        cluster.kubeconfig.chmod(0o666)
    said = cluster.up(nodes=2)
    assert "2 nodes are Ready" in said
    assert "is already running" in cluster.up(nodes=2)
    pids = set(cluster.parts().values()) | {cluster.control("status")["pid"]}
    ready = [line.split()[1] for line in cluster.kubectl("get", "nodes", "--no-headers").stdout.splitlines()]
    assert ready == ["Ready", "Ready"]
    assert cluster.minik("status").returncode == 0

    assert "is gone" in cluster.down()
    eventually(lambda: not _processes(pids), what="the end of every process")
    assert not (cluster.home / "m").exists()
    contexts = [entry["name"] for entry in yaml.safe_load(cluster.kubeconfig.read_text())["contexts"]]
    assert contexts == ["mine"]
    assert "There is no cluster" in cluster.down()


def test_nothing_outlives_a_killed_supervisor(make_cluster: Make, someone: str | None) -> None:
    cluster = make_cluster(user=someone)
    cluster.up(nodes=1)
    cluster.kubectl("create", "-f", "-", stdin=POD)
    cluster.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s")
    supervisor = cluster.control("status")["pid"]
    pids = set(cluster.parts().values())
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not _processes(pids), what="the end of every part")
    # ... and the next `up` clears what is left of the files.
    cluster.up(nodes=1)
    assert cluster.kubectl("get", "pods", "--no-headers").stdout == ""


@pytest.mark.parametrize("part", ["agent-minik-1", "apiserver", "controlplane"])
def test_a_killed_part_comes_back_and_running_pods_do_not_notice(make_cluster: Make, part: str) -> None:
    cluster = make_cluster()
    cluster.up(nodes=1)
    cluster.kubectl("create", "-f", "-", stdin=POD)
    cluster.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s")
    before = cluster.get("pod", "sleeper")["status"]
    old = cluster.parts()[part]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: cluster.parts().get(part, old) != old, what=f"{part} to come back")
    cluster.kubectl("create", "-f", "-", stdin=POD.replace("sleeper", "second"))
    cluster.kubectl("wait", "pod/second", "--for=condition=Ready", "--timeout=60s")
    after = cluster.get("pod", "sleeper")["status"]
    assert after["containerStatuses"][0]["containerID"] == before["containerStatuses"][0]["containerID"]
    assert after["containerStatuses"][0]["restartCount"] == 0
    assert after["podIP"] == before["podIP"]
    assert cluster.exec("sleeper", "echo", "alive").strip() == "alive"


def test_a_machine_without_namespaces_is_told_what_to_do(make_cluster: Make) -> None:
    """max_user_namespaces is per user namespace: inside one of our own it can be set to nothing."""
    cluster = make_cluster()
    minik = Path(os.sys.executable).parent / "minik"  # type: ignore[attr-defined]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         f"echo 0 > /proc/sys/user/max_net_namespaces && exec {minik} up"],
        env=cluster.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "namespaces" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


POD = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: minik.local/host, command: [sleep, infinity]}]
"""
