"""The examples of the quickstart with real kubectls of two versions: what a new user sees."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.minik import ROOT, MinikCluster, eventually, kubectls

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples" / "quickstart"


@pytest.fixture(params=kubectls() or [None], ids=lambda path: Path(path).name if path else "none")
def kubectl(request: pytest.FixtureRequest) -> str:
    if request.param is None:
        pytest.skip("no kubectl: run `python tools/fetch_clients.py .clients`")
    return str(request.param)


@pytest.fixture
def quickstart(cluster: MinikCluster, kubectl: str) -> Iterator[MinikCluster]:
    cluster.kubectl("apply", "-f", str(EXAMPLES), binary=kubectl)
    wait = ("wait", "--timeout=60s")
    cluster.kubectl(*wait, "--for=condition=Available", "deployment/my-app", binary=kubectl)
    cluster.kubectl(*wait, "--for=condition=Ready", "pod/client", binary=kubectl)
    yield cluster
    cluster.kubectl("delete", "-f", str(EXAMPLES), binary=kubectl)
    eventually(lambda: not cluster.get("pods", "-l", "app=my-app")["items"], what="the pods to go")


def test_the_service_answers_by_name_by_address_and_from_the_host(quickstart: MinikCluster) -> None:
    address = quickstart.get("service", "my-internal-service")["spec"]["clusterIP"]
    pods = {pod["metadata"]["name"] for pod in quickstart.get("pods", "-l", "app=my-app")["items"]}
    assert len(pods) == 3
    fetch = "for i in $(seq 30); do curl -sS --max-time 5 http://{}/hostname; done"
    for host in ("my-internal-service", "my-internal-service.default.svc.cluster.local", address):
        answers = quickstart.exec("client", "sh", "-c", fetch.format(host)).split("\n")
        assert {line for line in answers if line} == pods, host
    url = "http://127.0.0.1:30007/hostname"
    assert {urllib.request.urlopen(url, timeout=5).read().decode().strip() for _ in range(40)} == pods


def test_kubectl_shows_what_users_know(quickstart: MinikCluster, kubectl: str) -> None:
    def say(*argv: str) -> str:
        return quickstart.kubectl(*argv, binary=kubectl).stdout

    pods = say("get", "pods", "-o", "wide", "-l", "app=my-app").splitlines()
    assert pods[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [line.split()[1:3] for line in pods[1:]] == [["1/1", "Running"]] * 3
    assert len({line.split()[6] for line in pods[1:]}) == 3, "one pod on each node"
    services = say("get", "svc,endpointslices")
    assert "service/my-nodeport-service" in services and "80:30007/TCP" in services
    assert "endpointslice.discovery.k8s.io/my-internal-service-" in services
    described = say("describe", "deployment", "my-app")
    assert "3 desired | 3 updated | 3 total | 3 available" in described
    assert "ScalingReplicaSet" in described
    assert "Endpoints:" in say("describe", "service", "my-internal-service")
    assert say("logs", "deployment/my-app")


def test_rollout_and_undo(quickstart: MinikCluster, kubectl: str) -> None:
    def say(*argv: str) -> str:
        return quickstart.kubectl(*argv, binary=kubectl).stdout

    say("scale", "deployment/my-app", "--replicas=5")
    assert "successfully rolled out" in say("rollout", "status", "deployment/my-app", "--timeout=60s")
    say("set", "image", "deployment/my-app", "echo=minik.local/echo:latest")
    assert "successfully rolled out" in say("rollout", "status", "deployment/my-app", "--timeout=60s")
    image = "{.spec.template.spec.containers[0].image}"
    assert say("get", "deployment", "my-app", "-o", f"jsonpath={image}") == "minik.local/echo:latest"
    assert len(say("rollout", "history", "deployment/my-app").strip().splitlines()) == 4
    say("rollout", "undo", "deployment/my-app")
    assert "successfully rolled out" in say("rollout", "status", "deployment/my-app", "--timeout=60s")
    assert say("get", "deployment", "my-app", "-o", f"jsonpath={image}") == "minik.local/echo"


def test_watching_and_following(quickstart: MinikCluster, kubectl: str) -> None:
    with quickstart.following("get", "pods", "-w", "--no-headers", "-l", "app=my-app") as lines:
        seen = [lines.readline().split()[0] for _ in range(3)]
        quickstart.kubectl("delete", "pod", seen[0], "--wait=false", binary=kubectl)
        name, ready, status = "", "", ""
        while name in ("", *seen) or (ready, status) != ("1/1", "Running"):
            name, ready, status, *_ = lines.readline().split()
    with quickstart.following("logs", "-f", name) as lines:
        assert "listening" in lines.readline()
