"""Planned changes under a steady load of new connections from outside: whoever asks is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.load import Load
from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: echo
        image: minik.local/echo
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 5}}}  # for as long as a busy machine may take to tell every node
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def web(cluster: MinikCluster) -> Iterator[MinikCluster]:
    cluster.kubectl("create", "namespace", "graceful")
    cluster.apply(MANIFEST, namespace="graceful")
    rolled_out(cluster)
    yield cluster
    cluster.kubectl("delete", "namespace", "graceful", "--wait=false")


def rolled_out(cluster: MinikCluster) -> None:
    cluster.kubectl("rollout", "status", "-n", "graceful", "deployment/web", "--timeout=60s", timeout=90)


def endpoints(cluster: MinikCluster) -> set[str]:
    slices = cluster.get("endpointslices", "-n", "graceful", "-l", "kubernetes.io/service-name=web")["items"]
    found = [endpoint for one in slices for endpoint in one.get("endpoints") or ()]
    return {endpoint["targetRef"]["name"] for endpoint in found if endpoint["conditions"].get("ready")}


def load(cluster: MinikCluster) -> Load:
    port: Any = cluster.get("service", "-n", "graceful", "web")["spec"]["ports"][0]["nodePort"]
    url = f"http://127.0.0.1:{port}/hostname"
    return Load(url)


def test_a_drained_node_loses_no_request(web: MinikCluster) -> None:
    node = web.get("pods", "-n", "graceful")["items"][0]["spec"]["nodeName"]
    with load(web) as asked:
        asked.wait_for(50)
        try:
            drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
            web.kubectl(*drain, "--pod-selector=app=web", timeout=90)
            eventually(lambda: len(endpoints(web)) == 4, within=60, what="four endpoints again")
            asked.wait_for(50)
        finally:
            web.kubectl("uncordon", node)
    assert not asked.failures
    assert node not in {pod["spec"]["nodeName"] for pod in web.get("pods", "-n", "graceful")["items"]}


def test_scaling_down_and_up_loses_no_request(web: MinikCluster) -> None:
    with load(web) as asked:
        asked.wait_for(50)
        for replicas in (1, 4):
            web.kubectl("scale", "-n", "graceful", "deployment/web", f"--replicas={replicas}")
            rolled_out(web)
            eventually(lambda wanted=replicas: len(endpoints(web)) == wanted, within=60, what="the endpoints")
            asked.wait_for(50)
    assert not asked.failures


def test_rolling_back_and_forth_loses_no_request(web: MinikCluster) -> None:
    with load(web) as asked:
        asked.wait_for(50)
        web.kubectl("set", "env", "-n", "graceful", "deployment/web", "VERSION=2")
        rolled_out(web)
        web.kubectl("rollout", "undo", "-n", "graceful", "deployment/web")
        rolled_out(web)
        asked.wait_for(50)
    assert not asked.failures
