"""``scale``: replicas of any workload seen as an ``autoscaling/v1`` Scale.

Follows ``pkg/registry/apps/*/storage`` (ScaleREST): reads and writes ``spec.replicas`` of the workload through the
ordinary write path.
"""

from __future__ import annotations

from apiserver.routes.writing import WriteRequest
from minikube_py.api.errors import BadRequest
from minikube_py.api.fields import invalid, invalid_object
from minikube_py.api.meta import metadata
from minikube_py.api.selectors import from_labels, label_selector_of
from minikube_py.api.types import Object

_KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    shown: Object = {"replicas": status.get("replicas") or 0}
    if selector := _selector_text(obj):
        shown["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _KEPT_METADATA if name in meta},
        "spec": {"replicas": spec.get("replicas") or 0} if spec.get("replicas") else {},
        "status": shown,
    }


def _selector_text(obj: Object) -> str:
    selector = (obj.get("spec") or {}).get("selector")
    if obj.get("kind") == "ReplicationController":
        return str(from_labels(selector))
    return str(label_selector_of(selector)) if selector else ""


def with_scale(obj: Object, scale: Object, request: WriteRequest) -> Object:
    """The workload (changed in place) under a new Scale. Raises BadRequest, Invalid."""
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    meta = metadata(scale)
    if meta.get("name") not in (None, "", request.name):
        raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({request.name})")
    if replicas < 0:
        fault = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid_object("autoscaling", "Scale", request.name, [fault])
    obj["spec"]["replicas"] = replicas
    obj["metadata"]["resourceVersion"] = meta.get("resourceVersion") or obj["metadata"].get("resourceVersion")
    if meta.get("uid"):
        obj["metadata"]["uid"] = meta["uid"]
    return obj
