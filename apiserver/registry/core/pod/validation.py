"""Checks of Pods: at creation, at updates (little may change), at status updates."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, nonnegative, same
from apiserver.registry.core.podspec.containers import validate_image_padding
from apiserver.registry.core.podspec.scheduling import validate_tolerations
from apiserver.registry.core.podspec.security import validate_profiles_match
from apiserver.registry.core.podspec.spec import validate_pod_annotations, validate_pod_spec
from apiserver.registry.difference import difference
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.types import Object

_MIRROR = "kubernetes.io/config.mirror"
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LARGEST = 2**31 - 1
_MAY_CHANGE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)


def validate_pod(pod: Object, errors: Errors) -> None:
    """A Pod's annotations and spec, at creation and at every update."""
    meta, spec = pod["metadata"], pod.get("spec") or {}
    validate_pod_annotations(meta.get("annotations"), spec, "metadata.annotations", errors)
    validate_pod_spec(spec, "spec", errors, metadata=meta)
    if not spec.get("serviceAccountName"):
        _no_tokens_without_account(spec, errors)
    nonnegative(spec, "terminationGracePeriodSeconds", "spec", errors)
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            validate_image_padding(container, f"spec.{kind}[{index}]", errors)


def _no_tokens_without_account(spec: Fields, errors: Errors) -> None:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                path = f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken"
                errors.append(forbidden(path, "must not be specified when serviceAccountName is not set"))


def validate_new_pod(pod: Object, errors: Errors) -> None:
    """What only a new Pod is asked."""
    spec = pod.get("spec") or {}
    if spec.get("ephemeralContainers"):
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    if annotations := pod["metadata"].get("annotations"):
        validate_profiles_match(annotations, spec, "spec", errors)


def validate_annotation_changes(new: Object, old: Object, errors: Errors) -> None:
    """Mirror and AppArmor annotations stay as they were born."""
    after, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    if after == before:
        return
    for key in before | after:
        if before.get(key) == after.get(key):
            continue
        verb = "remove or update" if key in before else "add"
        if key.startswith(_APPARMOR):
            errors.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} AppArmor annotations"))
        if key == _MIRROR:
            errors.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} mirror pod annotation"))


def validate_pod_change(new: Object, old: Object, errors: Errors) -> None:
    """``ValidatePodUpdate`` beyond the Pod itself: what of its spec may change, and how."""
    validate_annotation_changes(new, old, errors)
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    for kind in ("containers", "initContainers"):
        if not _same_containers(after.get(kind) or [], before.get(kind) or [], f"spec.{kind}", errors):
            return
    if not _validate_deadline(after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"), errors):
        return
    _only_added_tolerations(after.get("tolerations") or [], before.get("tolerations") or [], errors)
    _only_removed_gates(after.get("schedulingGates") or [], before.get("schedulingGates") or [], errors)
    munged = _with_allowed_changes_undone(after, before, errors)
    if not same(munged, before):
        detail = f"pod updates may not change fields other than {_MAY_CHANGE}\n{difference(before, munged)}"
        errors.append(forbidden("spec", detail))


def _same_containers(new: list[Fields], old: list[Fields], path: str, errors: Errors) -> bool:
    if len(new) != len(old):
        errors.append(forbidden(path, "pod updates may not add or remove containers"))
        return False
    for index, container in enumerate(new):
        if not container.get("image"):
            errors.append(required(f"{path}[{index}].image"))
        validate_image_padding(container, f"{path}[{index}]", errors)
    return True


def _validate_deadline(new: int | None, old: int | None, errors: Errors) -> bool:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            errors.append(invalid(path, None, "must not update from a positive integer to nil value"))
        return True
    if not 0 <= new <= _LARGEST:
        errors.append(invalid(path, new, names.range_message(0, _LARGEST)))
        return False
    if old is not None and old < new:
        errors.append(invalid(path, new, "must be less than or equal to previous value"))
        return False
    return True


def _only_added_tolerations(new: list[Fields], old: list[Fields], errors: Errors) -> None:
    def bare(toleration: Fields) -> Fields:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    kept = [bare(toleration) for toleration in new]
    if any(bare(toleration) not in kept for toleration in old):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden("spec.tolerations", detail))
    elif new != old:
        validate_tolerations(new, "spec.tolerations", errors)


def _only_removed_gates(new: list[Fields], old: list[Fields], errors: Errors) -> None:
    known = {gate.get("name") for gate in old}
    for index, gate in enumerate(new):
        if gate.get("name") not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(forbidden(f"spec.schedulingGates[{index}].name", detail))


def _with_allowed_changes_undone(new: Fields, old: Fields, errors: Errors) -> Fields:
    munged = dict(new)
    for kind in ("containers", "initContainers"):
        if kind in new:
            pairs = zip(new[kind], old.get(kind) or [], strict=True)
            munged[kind] = [container | {"image": before.get("image")} for container, before in pairs]
    restored = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        restored.append("terminationGracePeriodSeconds")
    if old.get("schedulingGates"):
        _validate_gated_changes(new, old, errors)
        restored.append("nodeSelector")
        munged["affinity"] = _affinity_of(new, old)
    for name in restored:
        munged[name] = old.get(name)
    return {name: value for name, value in munged.items() if value is not None}


def _affinity_of(new: Fields, old: Fields) -> Fields | None:
    merged = {name: value for name, value in (new.get("affinity") or {}).items() if name != "nodeAffinity"}
    node = (old.get("affinity") or {}).get("nodeAffinity")
    return (merged | ({"nodeAffinity": node} if node else {})) or None


def _validate_gated_changes(new: Fields, old: Fields, errors: Errors) -> None:
    selector, before = new.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in before.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", selector, detail))
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    terms, old_terms = _required_terms(new), _required_terms(old)
    if old_terms and len(terms) != len(old_terms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(path, terms, detail))
        return
    for index, term in enumerate(old_terms):
        if not _only_adds(terms[index], term):
            detail = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{path}[{index}]", terms[index], detail))


def _required_terms(spec: Fields) -> list[Fields]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []


def _only_adds(new: Fields, old: Fields) -> bool:
    kinds = ("matchExpressions", "matchFields")
    if not any(old.get(kind) for kind in kinds):
        return not any(new.get(kind) for kind in kinds)
    return all((new.get(kind) or [])[: len(old.get(kind) or [])] == (old.get(kind) or []) for kind in kinds)
