"""The history of a Deployment: a ReplicaSet per template, numbered, the oldest forgotten. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.meta import annotations_of, labels_of, name_of, namespace_of, owner_reference
from minikube_py.api.resources import DEPLOYMENTS
from minikube_py.api.types import Object
from minikube_py.controllers.deployment import views
from minikube_py.controllers.deployment.views import replicas_of, spec_of

_LONGEST_NAME = 253


def new_replica_set(deployment: Object, old: Sequence[Object], replicas: int) -> Object:
    """The ReplicaSet for the present template."""
    suffix = views.template_hash(deployment)
    template = views.template_of(deployment)
    meta = template.get("metadata") or {}
    hashed = {views.HASH_LABEL: suffix}
    spec = spec_of(deployment)
    selector = spec.get("selector") or {}
    owner = deployment | {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)[: _LONGEST_NAME - 1 - len(suffix)]}-{suffix}",
            "namespace": namespace_of(deployment),
            "ownerReferences": [owner_reference(owner)],
            "labels": (meta.get("labels") or {}) | hashed,
            "annotations": _inherited(deployment)
            | {views.REVISION: str(next_revision(old))}
            | size_annotations(deployment),
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector | {"matchLabels": (selector.get("matchLabels") or {}) | hashed},
            "template": template | {"metadata": meta | {"labels": (meta.get("labels") or {}) | hashed}},
        },
    }


def next_revision(old: Sequence[Object]) -> int:
    """One more than the highest that another template has had."""
    return max((views.revision_of(rs) for rs in old), default=0) + 1


def refreshed(deployment: Object, new: Object, old: Sequence[Object]) -> Object | None:
    """The new ReplicaSet with the Deployment's annotations, its number and minReadySeconds up to date; None where it
    is so already. Rolling back to a ReplicaSet gives it the next number; the former ones are kept as its history."""
    annotations = dict(annotations_of(new))
    changed = annotations | _inherited(deployment)
    revision = next_revision(old)
    if views.revision_of(new) < revision:
        former = annotations.get(views.REVISION)
        changed[views.REVISION] = str(revision)
        if former is not None:
            history = [entry for entry in annotations.get(views.REVISION_HISTORY, "").split(",") if entry]
            changed[views.REVISION_HISTORY] = ",".join([*history, former])
    minimum = spec_of(deployment).get("minReadySeconds") or 0
    if changed == annotations and (spec_of(new).get("minReadySeconds") or 0) == minimum:
        return None
    return new | {
        "metadata": new["metadata"] | {"annotations": changed},
        "spec": spec_of(new) | {"minReadySeconds": minimum},
    }


def sized(deployment: Object, rs: Object, replicas: int) -> Object | None:
    """The ReplicaSet with another size and the sizes of the whole noted on it; None where nothing changes."""
    noted = size_annotations(deployment)
    same = all(annotations_of(rs).get(name) == value for name, value in noted.items())
    if replicas_of(rs) == replicas and same:
        return None
    return rs | {
        "metadata": rs["metadata"] | {"annotations": annotations_of(rs) | noted},
        "spec": spec_of(rs) | {"replicas": replicas},
    }


def size_annotations(deployment: Object) -> dict[str, str]:
    """The sizes that proportional scaling compares with later."""
    wanted = replicas_of(deployment)
    return {views.DESIRED_REPLICAS: str(wanted), views.MAX_REPLICAS: str(wanted + views.max_surge(deployment))}


def forgettable(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old ReplicaSets beyond ``revisionHistoryLimit``, the lowest revisions first."""
    limit = spec_of(deployment).get("revisionHistoryLimit")
    if limit is None or int(limit) == 2**31 - 1:
        return []
    ordered = sorted(old, key=lambda rs: (views.revision_of(rs), rs["metadata"].get("creationTimestamp") or ""))
    surplus = len(ordered) - int(limit)
    return [rs for rs in ordered[: max(surplus, 0)] if views.is_disposable(rs)]


def is_own(deployment: Object, rs: Object) -> bool:
    """Whether a ReplicaSet that has the wanted name already is this Deployment's and of this template."""
    references = rs["metadata"].get("ownerReferences") or ()
    ours = any(ref.get("uid") == deployment["metadata"].get("uid") and ref.get("controller") for ref in references)
    return ours and views.same_template(views.template_of(rs), views.template_of(deployment))


def _inherited(deployment: Object) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in views.OWN_ANNOTATIONS}


def hash_of(rs: Object) -> str:
    """The template hash on a ReplicaSet or pod."""
    return labels_of(rs).get(views.HASH_LABEL, "")
