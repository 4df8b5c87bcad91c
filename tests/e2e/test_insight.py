"""`minik why` and `minik trace` against a real cluster: each fault named, and requests that go as foretold."""

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
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: minik.local/host, command: [sleep, "100000"]}]
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec: {internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
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


def _trace(cluster: MinikCluster, namespace: str, start: str, end: str, *options: str) -> dict[str, Any]:
    done = cluster.minik(
        "trace", "--name", cluster.name, "-n", namespace, "-o", "json", *options, start, "->", end, check=False
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _until_it_agrees(cluster: MinikCluster, namespace: str, service: str, foretold: str) -> None:
    """What proxies and DNS servers know follows the objects a moment later."""

    def agrees() -> bool:
        told = _trace(cluster, namespace, "client", service, "--send")
        return (told["outcome"], (told.get("sent") or {}).get("agrees")) == (foretold, True)

    eventually(agrees, what=f"a request to {service} to go as foretold")


def test_requests_go_the_way_that_was_foretold(cluster: MinikCluster, namespace: str) -> None:
    cluster.apply(MANIFEST, namespace=namespace)
    cluster.kubectl("wait", "pod/web", "pod/client", "--for=condition=Ready", "-n", namespace)

    def outcome(service: str) -> str:
        return str(_trace(cluster, namespace, "client", service)["outcome"])

    eventually(lambda: outcome("healthy") == "Forward", what="a route to the pod")
    home = {name: cluster.get("pod", name, "-n", namespace)["spec"]["nodeName"] for name in ("web", "client")}
    local = "Forward" if home["web"] == home["client"] else "Drop"
    for service, foretold in [("healthy", "Forward"), ("headless", "Direct"), ("typo", "Reject"), ("local", local)]:
        _until_it_agrees(cluster, namespace, service, foretold)
    assert _trace(cluster, namespace, f"node/{home['web']}", "healthy")["outcome"] == "Forward"
    assert _trace(cluster, namespace, "host", "healthy")["outcome"] == "NoRoute"


def test_what_followed_from_an_apply(cluster: MinikCluster, namespace: str) -> None:
    deployment = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: minik.local/echo, ports: [{containerPort: 8080}]}]}
"""
    cluster.apply(deployment, namespace=namespace)
    cluster.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s", "-n", namespace)
    options = ("--name", cluster.name, "-n", namespace)
    told = json.loads(cluster.minik("timeline", *options, "-o", "json", "deploy/web").stdout)
    by_revision = {each["revision"]: each for each in told}
    [bound] = [each for each in told if each["verb"] == "binds"]
    chain = []
    while bound:
        chain.append((bound["kind"], bound["verb"]))
        bound = by_revision.get(bound["cause"])
    assert chain == [("Pod", "binds"), ("Pod", "creates"), ("ReplicaSet", "creates"), ("Deployment", "creates")]
    assert told[0]["who"].startswith("you (kubectl")
    assert [each["ms"] for each in told] == sorted(each["ms"] for each in told)
    drawn = cluster.minik("timeline", *options).stdout
    assert "replicaset-controller" in drawn and "<- 1" in drawn
    assert "web-" in cluster.minik("graph", *options).stdout
