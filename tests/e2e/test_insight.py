"""`minik why` against a real cluster with real faults: each named, and nothing said of what works."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: minik.local/echo, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: probed, labels: {app: probed}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: minik.local/echo
      ports: [{containerPort: 8080}]
      readinessProbe: {periodSeconds: 1, tcpSocket: {port: 8081}}
---
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec: {containers: [{name: c, image: minik.local/host, command: [sh, -c, exit 3]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: image}
spec: {containers: [{name: c, image: example.com/none:1}]}
---
apiVersion: v1
kind: Service
metadata: {name: healthy}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: typo}
spec: {selector: {app: wbe}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: port}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: htp}]}
---
apiVersion: v1
kind: Service
metadata: {name: probe}
spec: {selector: {app: probed}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: pending}
spec:
  type: LoadBalancer
  loadBalancerClass: example.com/none
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"""


def _why(cluster: MinikCluster, *what: str) -> dict[str, Any]:
    done = cluster.minik("why", *what, "--name", cluster.name, "-o", "json", check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if told["healthy"] else 1)
    return told


def _cause(cluster: MinikCluster, *what: str) -> str:
    causes = _why(cluster, *what)["causes"]
    return str(causes[0]["code"]) if causes else ""


def test_each_fault_is_named_and_health_is_silent(cluster: MinikCluster, namespace: str) -> None:
    cluster.apply(MANIFEST, namespace=namespace)
    there = ("-n", namespace)
    cluster.kubectl("wait", "pod/web", "--for=condition=Ready", *there)
    for what, code in [
        (("service", "probe"), "ProbeFailing"),
        (("pod", "crash"), "CrashLooping"),
        (("pod", "image"), "ImageMissing"),
        (("service", "typo"), "SelectorMismatch"),
        (("service", "port"), "NoSuchTargetPort"),
        (("service", "pending"), "LoadBalancerClass"),
        (("service", "helthy"), "ServiceMissing"),
    ]:
        eventually(lambda what=what, code=code: _cause(cluster, *what, *there) == code, what=f"{what} is {code}")
    eventually(lambda: _why(cluster, "service", "healthy", *there)["healthy"], what="healthy is healthy")
    assert _why(cluster, "service", "healthy", *there)["notes"] == []
    assert _why(cluster, "pod", "web", *there)["causes"] == []
    assert "connection refused" in _why(cluster, "pod", "probed", *there)["causes"][0]["cause"]
