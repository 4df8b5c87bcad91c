"""The official Python client: CRUD, watch, logs, exec, port-forward. Prints "ok"."""

from __future__ import annotations

import sys

from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

namespace = sys.argv[1]
config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()

container = client.V1Container(name="c", image="minik.local/echo", ports=[client.V1ContainerPort(container_port=8080)])
template = client.V1PodTemplateSpec(
    metadata=client.V1ObjectMeta(labels={"app": "official"}), spec=client.V1PodSpec(containers=[container])
)
deployment = client.V1Deployment(
    metadata=client.V1ObjectMeta(name="official"),
    spec=client.V1DeploymentSpec(
        replicas=1, selector=client.V1LabelSelector(match_labels={"app": "official"}), template=template
    ),
)
apps.create_namespaced_deployment(namespace, deployment)
for event in watch.Watch().stream(core.list_namespaced_pod, namespace, timeout_seconds=30):
    conditions = event["object"].status.conditions or []
    if any(one.type == "Ready" and one.status == "True" for one in conditions):
        pod = event["object"].metadata.name
        break
apps.patch_namespaced_deployment("official", namespace, {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}})
assert apps.read_namespaced_deployment("official", namespace).spec.template.metadata.labels["x"] == "y"
apps.patch_namespaced_deployment_scale("official", namespace, {"spec": {"replicas": 2}})
assert "listening" in core.read_namespaced_pod_log(pod, namespace)
said = stream(
    core.connect_get_namespaced_pod_exec, pod, namespace, command=["echo", "hello"], stdout=True, stderr=True,
    stdin=False, tty=False,
)  # fmt: skip
assert said.strip() == "hello", said
forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports="8080")
wire = forward.socket(8080)
wire.setblocking(True)
wire.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
heard = b""
while pod.encode() not in heard and (more := wire.recv(4096)):
    heard += more
wire.close()
assert pod.encode() in heard, heard
try:
    core.read_namespaced_pod("nobody", namespace)
except client.ApiException as error:
    assert error.status == 404
apps.delete_namespaced_deployment("official", namespace, propagation_policy="Foreground")
for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, timeout_seconds=30):
    if event["type"] == "DELETED":
        break
print("ok")
