"""What a pod of a StatefulSet is called, and the claims and labels that go with the name. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from minikube_py.api.meta import labels_of, metadata, name_of, namespace_of, owner_reference, uid_of
from minikube_py.api.types import Object
from minikube_py.controllers.history import HASH_LABEL
from minikube_py.controllers.podcontrol import pod_from_template

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-([0-9]+)")


def spec_of(sts: Object) -> Object:
    return sts.get("spec") or {}


def replicas_of(sts: Object) -> int:
    value = spec_of(sts).get("replicas")
    return 1 if value is None else int(value)


def start_of(sts: Object) -> int:
    """The first ordinal."""
    return int((spec_of(sts).get("ordinals") or {}).get("start") or 0)


def ordinals_of(sts: Object) -> range:
    """The ordinals there should be."""
    return range(start_of(sts), start_of(sts) + replicas_of(sts))


def is_parallel(sts: Object) -> bool:
    return bool(spec_of(sts).get("podManagementPolicy") == "Parallel")


def ordinal_of(sts: Object, pod: Object) -> int | None:
    """The pod's number; None for a name that is not this set's."""
    found = _NUMBERED.fullmatch(name_of(pod))
    return int(found[2]) if found is not None and found[1] == name_of(sts) else None


def pod_name(sts: Object, ordinal: int) -> str:
    return f"{name_of(sts)}-{ordinal}"


def new_pod(sts: Object, ordinal: int, template: Mapping[str, Any], revision: str) -> Object:
    """The pod with this number, of this revision."""
    owner = sts | {"apiVersion": "apps/v1", "kind": "StatefulSet"}
    name = pod_name(sts, ordinal)
    pod = pod_from_template(owner, template, name=name)
    pod["metadata"]["labels"] |= {HASH_LABEL: revision, POD_NAME_LABEL: name, INDEX_LABEL: str(ordinal)}
    spec = pod["spec"]
    spec["hostname"] = name
    spec["subdomain"] = spec_of(sts).get("serviceName") or ""
    spec["volumes"] = _volumes(sts, ordinal, spec.get("volumes") or [])
    if not spec["volumes"]:
        del spec["volumes"]
    return pod


def revision_of_pod(pod: Object) -> str:
    """The revision a pod was made from."""
    return labels_of(pod).get(HASH_LABEL, "")


def claims_for(sts: Object, ordinal: int) -> list[Object]:
    """The claims of the pod with this number."""
    matching = ((spec_of(sts).get("selector") or {}).get("matchLabels")) or {}
    claims = []
    for template in spec_of(sts).get("volumeClaimTemplates") or ():
        meta = template.get("metadata") or {}
        claims.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": claim_name(sts, template, ordinal),
                    "namespace": namespace_of(sts),
                    "labels": (meta.get("labels") or {}) | matching,
                    "annotations": dict(meta.get("annotations") or {}),
                },
                "spec": template.get("spec") or {},
            }
        )
    return claims


def claim_name(sts: Object, template: Object, ordinal: int) -> str:
    return f"{name_of(template)}-{name_of(sts)}-{ordinal}"


def claim_owners(sts: Object, claim: Object, pod: Object | None, *, condemned: bool) -> list[Object]:
    """The owners a claim should have by ``persistentVolumeClaimRetentionPolicy`` (KEP-1847).

    Deleted with the set: the set owns it. Deleted on scale-down: the pod owns it, but only once the pod is surplus.
    """
    policy = spec_of(sts).get("persistentVolumeClaimRetentionPolicy") or {}
    ours = {uid_of(sts)} | ({uid_of(pod)} if pod is not None else set())
    others = [
        ref
        for ref in metadata(claim).get("ownerReferences") or ()
        if ref.get("uid") not in ours and not (ref.get("kind") == "Pod" and ref.get("name") == name_of(pod or {}))
    ]
    wanted = list(others)
    if policy.get("whenDeleted") == "Delete" and not (condemned and policy.get("whenScaled") == "Delete"):
        reference = owner_reference(sts | {"apiVersion": "apps/v1", "kind": "StatefulSet"}, controller=True)
        wanted.append(reference | {"blockOwnerDeletion": True})
    if condemned and policy.get("whenScaled") == "Delete" and pod is not None:
        reference = owner_reference(pod | {"apiVersion": "v1", "kind": "Pod"}, controller=False)
        wanted.append(
            {key: value for key, value in reference.items() if key not in ("controller", "blockOwnerDeletion")}
        )
    return wanted


def _volumes(sts: Object, ordinal: int, volumes: list[Object]) -> list[Object]:
    """The template's volumes, those of the same name as a claim template replaced by the claim."""
    claimed = {
        name_of(template): claim_name(sts, template, ordinal)
        for template in spec_of(sts).get("volumeClaimTemplates") or ()
    }
    kept = [volume for volume in volumes if volume.get("name") not in claimed]
    return [
        *({"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in claimed.items()),
        *kept,
    ]
