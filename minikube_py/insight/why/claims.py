"""Why a PersistentVolumeClaim is not bound: class, mode of binding, provisioner, and for each volume what is amiss.

The rules are those of upstream's binder: a volume fits a claim by class, access modes, volume mode, size and selector,
and a claim without a class of its own takes the default one (Kubernetes' "Persistent Volumes" page).
"""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.api.meta import is_deleting, labels_of, name_of, namespace_of
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import NO_PROVISIONER, claims_of, class_of, default_class, names_class
from minikube_py.insight.why.finding import Diagnosis, Finding, first_causes
from minikube_py.insight.why.picture import Picture, find, is_finished, nearest_name

_NOBODY_MAKES = "no StorageClass here makes volumes (charts can often do without: persistence.enabled=false)"
_FAILED = ("ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound")


def why_claim(picture: Picture, namespace: str, name: str) -> Diagnosis:
    """What keeps claim ``namespace/name`` from a volume."""
    subject = f"pvc {namespace}/{name}"
    claim = find(picture.claims, namespace, name)
    if claim is None:
        return Diagnosis(subject, (_missing(picture, namespace, name),))
    return Diagnosis(subject, tuple(claim_findings(picture, claim)))


def claim_findings(picture: Picture, claim: Object) -> Iterator[Finding]:
    """The causes; nothing for a claim that is bound and stays."""
    steps = (
        lambda: _deleting(picture, claim),
        lambda: _lost(picture, claim),
        lambda: _named_volume(picture, claim),
        lambda: _class(picture, claim),
        lambda: _unbound(picture, claim),
    )
    return first_causes(steps)


def _missing(picture: Picture, namespace: str, name: str) -> Finding:
    cause = f"there is no PersistentVolumeClaim {name} in namespace {namespace}"
    elsewhere = [namespace_of(each) for each in picture.claims if name_of(each) == name]
    if elsewhere:
        told = f"{cause}; there is one in {', '.join(elsewhere)}"
        return Finding("OtherNamespace", told, "a pod mounts claims of its own namespace only")
    near = nearest_name(name, (name_of(each) for each in picture.claims if namespace_of(each) == namespace))
    return Finding("ClaimMissing", cause, f"did you mean {near}?" if near else "create it")


def _deleting(picture: Picture, claim: Object) -> Iterator[Finding]:
    if not is_deleting(claim):
        return
    users = sorted(name_of(pod) for pod in _users(picture, claim))
    held = f"; it waits for the pods that use it: {', '.join(users)}" if users else ""
    yield Finding(
        "ClaimTerminating", f"the claim is being deleted{held}", "delete those pods first" if users else "wait"
    )


def _lost(picture: Picture, claim: Object) -> Iterator[Finding]:
    volume = (claim.get("spec") or {}).get("volumeName")
    if _phase(claim) == "Lost" or (_phase(claim) == "Bound" and find(picture.volumes, "", volume or "") is None):
        yield Finding(
            "VolumeLost", f"the claim was bound to volume {volume}, which is gone", "delete and create the claim"
        )


def _named_volume(picture: Picture, claim: Object) -> Iterator[Finding]:
    name = (claim.get("spec") or {}).get("volumeName")
    if not name or _phase(claim) == "Bound":
        return
    volume = find(picture.volumes, "", name)
    if volume is None:
        yield Finding(
            "VolumeMissing", f"the claim names volume {name}, and there is none", "create it, or name another"
        )
        return
    why = _unfit(claim, volume, _class_of(picture, claim))
    if why:
        yield Finding("VolumeUnfit", f"the claim names volume {name}, which does not fit: {why}", "change one of them")


def _class(picture: Picture, claim: Object) -> Iterator[Finding]:
    name = _class_of(picture, claim)
    if _phase(claim) == "Bound" or not name or find(picture.classes, "", name) is not None:
        return
    if any((each.get("spec") or {}).get("storageClassName") == name for each in picture.volumes):
        return  # a name that volumes share is enough: no object of that name is needed to bind
    near = nearest_name(name, map(name_of, picture.classes))
    known = ", ".join(map(name_of, picture.classes)) or "none"
    fix = f"did you mean {near}?" if near else f"use one of the classes there are ({known})"
    yield Finding("NoSuchClass", f"there is no StorageClass {name}, and no volume of that class", fix)


def _unbound(picture: Picture, claim: Object) -> Iterator[Finding]:
    if _phase(claim) == "Bound":
        return
    wanted = _class_of(picture, claim)
    kind = find(picture.classes, "", wanted or "")
    if kind is not None and kind.get("volumeBindingMode") == "WaitForFirstConsumer" and not _users(picture, claim):
        cause = (
            f"StorageClass {wanted} binds when the first pod that uses the claim is scheduled, and there is none yet"
        )
        yield Finding("WaitsForPod", cause, "start a pod that mounts it", note=True)
        return
    words = picture.last_event(claim, *_FAILED, kind="PersistentVolumeClaim")
    reasons = [f"{name_of(each)}: {_unfit(claim, each, wanted)}" for each in picture.volumes]
    volumes = "; ".join(reasons) or "there are no volumes"
    provisioner = str((kind or {}).get("provisioner") or "")
    if provisioner and provisioner != NO_PROVISIONER:
        told = words or f"provisioner {provisioner} has made none yet; is it running?"
        yield Finding("NotProvisioned", f"the claim waits for a volume: {told}", f"look at the logs of {provisioner}")
        return
    lacks = "" if wanted else "the claim has no StorageClass, and none is the default; "
    makers = [name_of(each) for each in picture.classes if each.get("provisioner") != NO_PROVISIONER]
    other = f"name a StorageClass that makes volumes ({', '.join(makers)})" if makers else _NOBODY_MAKES
    fix = f"create a PersistentVolume that fits; {other}"
    yield Finding("NoVolumeFits", f"{lacks}no volume fits the claim: {volumes}", fix)


def _unfit(claim: Object, volume: Object, wanted: str | None) -> str:
    """The first reason for which the volume is not for this claim, or ""."""
    spec, have = claim.get("spec") or {}, volume.get("spec") or {}
    held = have.get("claimRef") or {}
    if held and (held.get("namespace"), held.get("name")) != (namespace_of(claim), name_of(claim)):
        return f"it is for {held.get('namespace')}/{held.get('name')}"
    if (volume.get("status") or {}).get("phase") == "Released":
        return "it is released, and keeps its last claim's data"
    if (have.get("storageClassName") or "") != (wanted or ""):
        return f"its class is {have.get('storageClassName') or 'none'}, not {wanted or 'none'}"
    lacking = [each for each in spec.get("accessModes") or () if each not in (have.get("accessModes") or ())]
    if lacking:
        return f"it does not offer {', '.join(lacking)}"
    if (spec.get("volumeMode") or "Filesystem") != (have.get("volumeMode") or "Filesystem"):
        return f"its volumeMode is {have.get('volumeMode') or 'Filesystem'}"
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
    size = (have.get("capacity") or {}).get("storage", "0")
    if parse_quantity(size) < parse_quantity(asked):
        return f"it holds {size}, and {asked} is asked for"
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    wrong = [f"{key}={value}" for key, value in labels.items() if labels_of(volume).get(key) != value]
    return f"it lacks the label {', '.join(wrong)}" if wrong else ""


def _class_of(picture: Picture, claim: Object) -> str | None:
    """Absent means the default class; "" means none (KEP-3333)."""
    if names_class(claim):
        return class_of(claim)
    default = default_class(picture.classes)
    return name_of(default) if default else None


def _users(picture: Picture, claim: Object) -> list[Object]:
    return [
        pod
        for pod in picture.pods
        if namespace_of(pod) == namespace_of(claim) and name_of(claim) in claims_of(pod) and not is_finished(pod)
    ]


def _phase(claim: Object) -> str:
    return str((claim.get("status") or {}).get("phase") or "Pending")
