"""Pods as Docker containers: the quickstart on a private engine, and nothing left in it afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.support.engine import PrivateEngine, private_engine
from tests.support.minik import ROOT, MinikCluster, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    yield from private_engine()


def _containers(engine: PrivateEngine) -> list[str]:
    command = ["docker", "-H", f"unix://{engine.socket}", "ps", "-aq"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_quickstart_in_containers(
    engine: PrivateEngine, make_cluster: Callable[..., MinikCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    cluster = make_cluster(name="docked")
    cluster.up(nodes=2, extra=["--runtime", "docker"])
    cluster.kubectl("apply", "-f", str(ROOT / "examples" / "quickstart"))
    cluster.kubectl("rollout", "status", "deployment/my-app", "--timeout=60s", timeout=90)
    cluster.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s", timeout=90)
    assert len(_containers(engine)) == 8, "a sandbox and a container for each of four pods"
    pods = {pod["metadata"]["name"] for pod in cluster.get("pods", "-l", "app=my-app")["items"]}
    script = "for i in $(seq 20); do curl -sS --max-time 5 http://my-internal-service/hostname; done"
    eventually(lambda: set(cluster.exec("client", "sh", "-c", script).split()) == pods, what="all pods to answer")
    assert "listening" in cluster.kubectl("logs", "deployment/my-app").stdout
    cluster.down()
    assert _containers(engine) == []
