"""Pods changed through their other doors: ``resize`` (KEP-1287), ``ephemeralcontainers``, ``binding``."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, same, without
from apiserver.registry.context import RequestContext
from apiserver.registry.core.pod.validation import validate_annotation_changes, validate_pod
from apiserver.registry.core.podspec.podresources import default_pod_resources, qos_class
from minikube_py.api.fields import forbidden, invalid
from minikube_py.api.types import Object

_MIRROR = "kubernetes.io/config.mirror"
_RESIZABLE = ("cpu", "memory")
_ONLY_COMPUTE = "only cpu and memory resources are mutable"


def bump_generation(new: Object, old: Object) -> None:
    """metadata.generation counts changes of spec."""
    if new.get("spec") != old.get("spec"):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def _keep_the_rest(new: Object, old: Object) -> None:
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name in old["metadata"]:
            new["metadata"][name] = old["metadata"][name]
        else:
            new["metadata"].pop(name, None)
    if "status" in old:
        new["status"] = old["status"]


def prepare_ephemeral(new: Object, old: Object, _ctx: RequestContext) -> None:
    """Lets only spec.ephemeralContainers change."""
    added = (new.get("spec") or {}).get("ephemeralContainers")
    _keep_the_rest(new, old)
    new["spec"] = without(old["spec"], "ephemeralContainers")
    if added:
        new["spec"]["ephemeralContainers"] = added
    bump_generation(new, old)


def validate_ephemeral(new: Object, old: Object, errors: Errors) -> None:
    """Ephemeral containers are only added."""
    if _MIRROR in (old["metadata"].get("annotations") or ()):
        errors[:] = [forbidden("", "static pods do not support ephemeral containers")]
        return
    validate_pod(new, errors)
    validate_annotation_changes(new, old, errors)
    present = {container.get("name"): container for container in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container.get("name")
        if name not in present:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(forbidden("spec.ephemeralContainers", detail))
        elif not same(present[name], container):
            detail = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(forbidden("spec.ephemeralContainers", detail))


def prepare_resize(new: Object, old: Object, _ctx: RequestContext) -> None:
    """Lets only resources and resize policies change."""
    spec, before = new.get("spec") or {}, old["spec"]
    if any(len(spec.get(kind) or ()) != len(before.get(kind) or ()) for kind in ("containers", "initContainers")):
        return
    resources = spec.get("resources") or before.get("resources")
    changed = {kind: _merged(spec.get(kind) or [], before.get(kind) or []) for kind in ("containers", "initContainers")}
    _keep_the_rest(new, old)
    new["spec"] = before | {kind: containers for kind, containers in changed.items() if containers}
    if resources is not None:
        new["spec"]["resources"] = dict(resources)
        default_pod_resources(new["spec"])
    bump_generation(new, old)


def _merged(new: list[Fields], old: list[Fields]) -> list[Fields]:
    if any(a.get("name") != b.get("name") for a, b in zip(new, old, strict=True)):
        return new
    kept = []
    for after, before in zip(new, old, strict=True):
        own = {name: after[name] for name in ("resources", "resizePolicy") if name in after}
        kept.append(without(before, "resources", "resizePolicy") | own)
    return kept


def validate_resize(new: Object, old: Object, errors: Errors) -> None:
    """``ValidatePodResize``."""
    if _MIRROR in (old["metadata"].get("annotations") or ()):
        errors[:] = [forbidden("", "static pods cannot be resized")]
        return
    after, before = new["spec"], old["spec"]
    if (before.get("os") or {}).get("name") == "windows":
        errors[:] = [forbidden("", "windows pods cannot be resized")]
        return
    validate_pod(new, errors)
    qos = (old.get("status") or {}).get("qosClass") or qos_class(before)
    if qos != qos_class(after):
        errors.append(invalid("spec", qos, "Pod QOS Class may not change as a result of resizing"))
    if not _supported(old):
        errors.append(forbidden("spec", "Pod running on node without support for resize"))
    _validate_removed(
        after.get("resources") or {}, before.get("resources") or {}, "spec.resources", errors, "pod-level "
    )
    for kind in ("initContainers", "containers"):
        if not _same_order(after.get(kind) or [], before.get(kind) or [], kind, errors):
            return
    for kind in ("initContainers", "containers"):
        for index, (container, earlier) in enumerate(zip(after.get(kind) or [], before.get(kind) or [], strict=True)):
            _validate_container(container, earlier, kind, f"spec.{kind}[{index}]", errors)


def _supported(pod: Object) -> bool:
    running = [
        status
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
        if (status.get("state") or {}).get("running") is not None
    ]
    return not running or running[0].get("resources") is not None


def _same_order(new: list[Fields], old: list[Fields], kind: str, errors: Errors) -> bool:
    if len(new) != len(old):
        errors.append(forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize"))
        return False
    moved = [index for index, (a, b) in enumerate(zip(new, old, strict=True)) if a.get("name") != b.get("name")]
    detail = f"{kind} may not be renamed or reordered on resize"
    errors.extend(forbidden(f"spec.{kind}[{index}].name", detail) for index in moved)
    return not moved


def _validate_container(new: Fields, old: Fields, kind: str, path: str, errors: Errors) -> None:
    after, before = new.get("resources") or {}, old.get("resources") or {}
    _validate_removed(after, before, f"{path}.resources", errors, "")
    others = [_without_compute(resources) for resources in (after, before)]
    if not same(others[0], others[1]) or not same(_rest(new), _rest(old)):
        if kind == "containers":
            errors.append(forbidden("spec", _ONLY_COMPUTE))
        else:
            detail = "only cpu and memory resources for init or sidecar containers are mutable"
            errors.append(forbidden(path, detail))
    restarts = any(policy.get("restartPolicy") == "RestartContainer" for policy in new.get("resizePolicy") or ())
    if kind == "initContainers" and new.get("restartPolicy") != "Always" and restarts and not same(new, old):
        detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
        errors.append(forbidden(path, detail))


def _rest(container: Fields) -> Fields:
    return without(container, "resources", "resizePolicy")


def _without_compute(resources: Fields) -> Fields:
    trimmed = {kind: without(resources.get(kind) or {}, *_RESIZABLE) for kind in ("requests", "limits")}
    return without(resources, "requests", "limits") | trimmed


def _validate_removed(new: Fields, old: Fields, path: str, errors: Errors, what: str) -> None:
    for kind in ("requests", "limits"):
        if (old.get(kind) or {}).keys() - (new.get(kind) or {}).keys():
            word = "resource requests" if kind == "requests" else "resource limits"
            errors.append(forbidden(f"{path}.{kind}", f"{what}{word} cannot be removed"))
