"""``pods/binding``: the scheduler's decision, written once.

Follows ``pkg/registry/core/pod/storage``: the node is set, PodScheduled becomes true, annotations of the Binding are
merged in; a pod that is bound or going cannot be bound again.
"""

from __future__ import annotations

import orjson

from apiserver.refusals import conflict, not_found
from apiserver.routes.writing import Writer, WriteRequest
from minikube_py.api.fields import FieldError, invalid_object, not_supported, required
from minikube_py.api.meta import find_condition, format_time, is_deleting, metadata
from minikube_py.api.types import Object

CREATED = orjson.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})


def bind(writer: Writer, request: WriteRequest, binding: Object) -> None:
    """Bind the pod. Raises NotFound, Conflict, Invalid."""
    served = request.served
    target = binding.get("target") or {}
    _check_target(request.name, target)
    present = served.collection.get(request.namespace, request.name)
    if present is None:
        raise not_found(served.resource, request.name)
    old, new = served.load(present), served.load(present)
    _check_pod(request, binding, old)
    _assign(request, binding, new, str(target["name"]))
    writer.commit(request, present, old, new)


def _check_target(name: str, target: Object) -> None:
    errors: list[FieldError] = []
    if target.get("kind") not in (None, "", "Node"):
        errors.append(not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        errors.append(required("target.name", ""))
    if errors:
        raise invalid_object("", "Binding", name, errors)


def _check_pod(request: WriteRequest, binding: Object, pod: Object) -> None:
    resource, uid = request.served.resource, metadata(binding).get("uid")
    if uid and uid != pod["metadata"].get("uid"):
        raise conflict(
            resource,
            request.name,
            f"StorageError: invalid object, Code: 4, Key: /registry/pods/{request.namespace}/{request.name}, "
            "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: {uid}, UID in object meta: {pod['metadata'].get('uid')}",
        )
    if is_deleting(pod):
        raise conflict(resource, request.name, f"pod {request.name} is being deleted, cannot be assigned to a host")
    node = pod["spec"].get("nodeName")
    if node:
        raise conflict(resource, request.name, f'pod {request.name} is already assigned to node "{node}"')
    if pod["spec"].get("schedulingGates"):
        raise conflict(resource, request.name, f"pod {request.name} has non-empty .spec.schedulingGates")


def _assign(request: WriteRequest, binding: Object, pod: Object, node: str) -> None:
    pod["spec"]["nodeName"] = node
    if annotations := metadata(binding).get("annotations"):
        pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **annotations}
    if labels := metadata(binding).get("labels"):
        pod["metadata"]["labels"] = {**(pod["metadata"].get("labels") or {}), **labels}
    status = pod.setdefault("status", {})
    conditions = list(status.get("conditions") or ())
    condition = find_condition(conditions, "PodScheduled")
    if condition is not None:
        conditions.remove(condition)
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    scheduled["lastTransitionTime"] = format_time(request.now)
    status["conditions"] = [*conditions, scheduled]
