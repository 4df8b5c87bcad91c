"""kr8s: objects, wait, watch, exec, port-forward, scale. Prints "ok"."""

from __future__ import annotations

import sys

import httpx
import kr8s
from kr8s.objects import Deployment, Pod, Service

namespace = sys.argv[1]
api = kr8s.api()
assert api.version()["major"] == "1"
labels = {"app": "kr8s"}
containers = [{"name": "c", "image": "minik.local/echo", "ports": [{"containerPort": 8080}]}]
deployment = Deployment(
    {
        "metadata": {"name": "kr8s", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
)
deployment.create()
deployment.wait("condition=Available", timeout=30)
service = Service(
    {
        "metadata": {"name": "kr8s", "namespace": namespace},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
)
service.create()
pod = next(iter(kr8s.get("pods", namespace=namespace, label_selector=labels)))
assert isinstance(pod, Pod)
assert pod.exec(["echo", "hello"]).stdout.strip() == b"hello"
assert any("listening" in line for line in pod.logs())
with pod.portforward(remote_port=8080, local_port=None) as port:
    assert httpx.get(f"http://127.0.0.1:{port}/hostname").text.strip() == pod.name
deployment.scale(2)
deployment.label({"x": "y"})
for _kind, seen in api.watch("deployments.apps", namespace=namespace):
    if seen.metadata.labels.get("x") == "y":
        break
deployment.delete(propagation_policy="Background")
service.delete()
print("ok")
