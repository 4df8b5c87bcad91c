"""lightkube: typed CRUD, server-side apply, watch, wait, logs, events of a selector. Prints "ok"."""

from __future__ import annotations

import sys

from lightkube import ApiError, Client
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, ContainerPort, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType

namespace = sys.argv[1]
client = Client(namespace=namespace, field_manager="lightkube")
labels = {"app": "lightkube"}
container = Container(name="c", image="minik.local/echo", ports=[ContainerPort(containerPort=8080)])
template = PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=[container]))
spec = DeploymentSpec(replicas=1, selector=LabelSelector(matchLabels=labels), template=template)
client.create(Deployment(metadata=ObjectMeta(name="web", namespace=namespace), spec=spec))
client.wait(Deployment, "web", for_conditions=["Available"])
pod = next(iter(client.list(Pod, labels=labels)))
assert any("listening" in line for line in client.log(pod.metadata.name))

settings = ConfigMap(
    apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="settings", namespace=namespace), data={"a": "1"}
)
applied = client.apply(settings)
assert [entry.operation for entry in applied.metadata.managedFields] == ["Apply"]
revision = applied.metadata.resourceVersion
client.patch(ConfigMap, "settings", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
for kind, seen in client.watch(ConfigMap, fields={"metadata.name": "settings"}, resource_version=revision):
    assert (kind, seen.data) == ("MODIFIED", {"a": "1", "b": "2"})
    break
stale = client.get(ConfigMap, "settings")
stale.metadata.resourceVersion = revision
try:
    client.replace(stale)
    raise AssertionError("a stale write was taken")
except ApiError as error:
    assert error.status.code == 409
client.delete(Deployment, "web", cascade=CascadeType.FOREGROUND)
for kind, _seen in client.watch(Deployment, fields={"metadata.name": "web"}):
    if kind == "DELETED":
        break
print("ok")
