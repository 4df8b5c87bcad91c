"""The annotation that tells when the change happened by which endpoints changed, so that its way can be timed.

The rules are upstream's (``k8s.io/endpointslice/util``): the time of a pod is that of its last change of readiness, the
time of a Service that of its creation; of those that are new since the last look, the earliest counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from minikube_py.api.meta import annotations_of, find_condition, key_of, metadata, name_of
from minikube_py.api.types import Object, ObjectKey

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


class TriggerTimes:
    """What has been seen of each Service and its pods. Times are the API's own text, which sorts as they do."""

    def __init__(self) -> None:
        self._seen: dict[ObjectKey, dict[str, str]] = {}

    def of(self, service: Object, pods: Iterable[Object]) -> str:
        """The time of the change that is being looked at now; "" where none is known. To be called at every look."""
        key, created = key_of(service), str(metadata(service).get("creationTimestamp") or "")
        now = {name_of(pod): time for pod in pods if (time := _readiness_changed(pod))}
        before = self._seen.get(key)
        self._seen[key] = now
        if before is None:
            return created
        return min((time for name, time in now.items() if time > before.get(name, "")), default="")

    def forget(self, key: ObjectKey) -> None:
        """The Service is gone."""
        self._seen.pop(key, None)


def stamped(obj: Object, time: str) -> Object:
    """The object with the annotation, or without it where there is no time."""
    annotations = {name: value for name, value in annotations_of(obj).items() if name != TRIGGER_TIME}
    if time:
        annotations[TRIGGER_TIME] = time
    meta = {name: value for name, value in metadata(obj).items() if name != "annotations"}
    return {**obj, "metadata": meta | ({"annotations": annotations} if annotations else {})}


def _readiness_changed(pod: Object) -> str:
    ready = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    return str((ready or {}).get("lastTransitionTime") or "")
