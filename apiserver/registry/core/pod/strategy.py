"""The strategy of Pods, and the pure parts of binding and deletion."""

from __future__ import annotations

from apiserver.registry.checks import Errors, one_of
from apiserver.registry.context import RequestContext
from apiserver.registry.core.pod.defaults import default_pod
from apiserver.registry.core.pod.printer import TABLE
from apiserver.registry.core.pod.resize import prepare_ephemeral, prepare_resize, validate_ephemeral, validate_resize
from apiserver.registry.core.pod.soundness import PodChecks
from apiserver.registry.core.pod.status import prepare_pod_status, validate_pod_status
from apiserver.registry.core.pod.validation import validate_new_pod, validate_pod_change
from apiserver.registry.core.podspec.podresources import default_pod_resources, qos_class
from apiserver.registry.core.podspec.scheduling import merge_label_keys
from apiserver.registry.strategy import KindStrategy, UpdateRules
from minikube_py.api import names
from minikube_py.api.errors import Conflict
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import format_time, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_ENDED = ("Succeeded", "Failed")


def _prepare_new(pod: Object, _ctx: RequestContext) -> None:
    spec = pod.get("spec") or {}
    status: Object = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    merge_label_keys(spec, pod["metadata"].get("labels") or {})
    default_pod_resources(spec)
    status["qosClass"] = qos_class(spec)
    pod["status"] = status


def _prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
    if (new.get("spec") or {}).get("resources") is None and old["spec"].get("resources") is not None:
        new["spec"]["resources"] = old["spec"]["resources"]


def grace_seconds(pod: Object, requested: int | None) -> int:
    """Seconds between SIGTERM and SIGKILL; none for a pod that never reached a node or has ended."""
    spec = pod.get("spec") or {}
    if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in _ENDED:
        return 0
    seconds = spec.get("terminationGracePeriodSeconds") or 0 if requested is None else requested
    return 1 if seconds < 0 else int(seconds)


def validate_binding(binding: Object, errors: Errors) -> None:
    """A Binding names a Node."""
    target = binding.get("target") or {}
    kind, name = target.get("kind") or "", target.get("name") or ""
    if kind not in ("", "Node"):
        one_of(kind, (), "target.kind", errors, listed=("Node", "<empty>"))
    if not name:
        errors.append(required("target.name"))
    elif kind in ("", "Node"):
        errors.extend(invalid("target.name", name, text) for text in names.subdomain_name(name))


def bind(pod: Object, binding: Object, ctx: RequestContext) -> Object:
    """The Pod assigned to the Binding's node: a new object. Raises Conflict where that cannot be."""
    meta, spec, node = pod["metadata"], pod["spec"], binding["target"]["name"]
    wanted = (binding.get("metadata") or {}).get("uid")
    name = name_of(pod)
    if wanted and wanted != meta.get("uid"):
        detail = f"the UID in the precondition ({wanted}) does not match the UID in record ({meta.get('uid')})"
        raise _conflict(name, f"{detail}. The object might have been deleted and then recreated")
    if meta.get("deletionTimestamp"):
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _conflict(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
    bound = pod | {"spec": spec | {"nodeName": node}, "metadata": dict(meta)}
    bound["metadata"]["generation"] = (meta.get("generation") or 0) + 1
    for key in ("annotations", "labels"):
        if extra := (binding.get("metadata") or {}).get(key):
            bound["metadata"][key] = (meta.get(key) or {}) | extra
    bound["status"] = _scheduled(pod.get("status") or {}, ctx)
    return bound


def _scheduled(status: Object, ctx: RequestContext) -> Object:
    condition = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(ctx.now),
    }
    others = [item for item in status.get("conditions") or () if item.get("type") != "PodScheduled"]
    rest = {key: value for key, value in status.items() if key not in ("conditions", "nominatedNodeName")}
    return rest | {"conditions": [*others, condition]}


def _conflict(name: str, detail: str) -> Conflict:
    message = f'Operation cannot be fulfilled on pods/binding "{name}": {detail}'
    return Conflict(message, details={"name": name, "kind": "pods/binding"})


def strategy(resource: Resource) -> KindStrategy:
    """Pods."""
    checks = PodChecks()
    return KindStrategy(
        resource=resource,
        defaulter=default_pod,
        has_status=True,
        generation_fields=("spec",),
        prepare_new=_prepare_new,
        prepare_change=_prepare_change,
        validate=checks.validate,
        validate_new=validate_new_pod,
        validate_change=validate_pod_change,
        subresources={
            "status": UpdateRules(prepare=prepare_pod_status, validate=validate_pod_status),
            "ephemeralcontainers": UpdateRules(prepare=prepare_ephemeral, validate=validate_ephemeral),
            "resize": UpdateRules(prepare=prepare_resize, validate=validate_resize),
        },
        table=TABLE,
        warner=checks.warn,
        grace=grace_seconds,
    )
