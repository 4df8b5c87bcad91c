"""How long a Job waits before it replaces what has failed: as a whole, or index by index (KEP-3850). Pure.

The delays are upstream's (``backoff_utils.go``): ten seconds, doubled with each failure in a row, ten minutes at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from minikube_py.api.meta import find_condition, metadata, parse_time
from minikube_py.api.types import Object

_FIRST = timedelta(seconds=10)
_LAST = timedelta(minutes=10)
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"


def seconds_left(failures: int, last: datetime, now: datetime) -> float:
    """Seconds until the next pod may be made after ``failures`` in a row, 0 or less for now."""
    if not failures:
        return 0.0
    return (last + min(_FIRST * (1 << min(failures - 1, 10)), _LAST) - now).total_seconds()


@dataclass(slots=True)
class Streak:
    """Failures in a row of one Job, and when the last was seen."""

    failures: int = 0
    last: datetime | None = None

    def wait(self, now: datetime) -> float:
        """Seconds until the next pod may be made, 0 or less for now."""
        return 0.0 if self.last is None else seconds_left(self.failures, self.last, now)


@dataclass(frozen=True, slots=True)
class IndexFailures:
    """How often an index has failed, as its newest failed pod tells: its replacement carries the numbers on.

    ``ended`` is None where the pod does not say when it ended.
    """

    counted: int = 0
    ignored: int = 0
    ended: datetime | None = None

    @property
    def all(self) -> int:
        """Those that a podFailurePolicy ignores included: they make the next pod wait as well."""
        return self.counted + self.ignored

    def annotations(self) -> dict[str, str]:
        """What the next pod of the index is told."""
        ignored = {IGNORED_COUNT: str(self.ignored)} if self.ignored else {}
        return {FAILURE_COUNT: str(self.counted), **ignored}

    def wait(self, now: datetime) -> float:
        """Seconds until the index may be tried again, 0 or less for now."""
        return 0.0 if self.ended is None else seconds_left(self.all, self.ended, now)


def failures_with(pod: Object, *, ignored: bool) -> IndexFailures:
    """The failures of a pod's index, its own included."""
    before = failures_before(pod)
    return IndexFailures(before.counted + (not ignored), before.ignored + ignored, ended_at(pod))


def failures_before(pod: Object) -> IndexFailures:
    """The failures of a pod's index before it was made."""
    return IndexFailures(_number(pod, FAILURE_COUNT), _number(pod, IGNORED_COUNT))


def ended_at(pod: Object) -> datetime | None:
    """When the last container ended, else when the pod stopped being ready, else when it was deleted."""
    times = list(_container_ends(pod))
    if times:
        return max(times)
    ready = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    deleted = metadata(pod).get("deletionTimestamp")
    grace = timedelta(seconds=int(metadata(pod).get("deletionGracePeriodSeconds") or 0))
    return parse_time(deleted) - grace if deleted else None


def _container_ends(pod: Object) -> Iterator[datetime]:
    status = pod.get("status") or {}
    for entry in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        ended = ((entry.get("state") or {}).get("terminated") or {}).get("finishedAt")
        if ended:
            yield parse_time(ended)


def _number(pod: Object, annotation: str) -> int:
    text = (metadata(pod).get("annotations") or {}).get(annotation, "0")
    return int(text) if text.isdigit() else 0
