"""Sets of completion indexes in the compressed form of a Job's status: ``1,3-5,7``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from minikube_py.api.meta import annotations_of
from minikube_py.api.types import Object

INDEX = "batch.kubernetes.io/job-completion-index"


def parse_indexes(text: str | None, completions: int) -> set[int]:
    """The indexes below ``completions``; unreadable parts are skipped."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        try:
            low = int(first)
            high = int(last) if last else low
        except ValueError:
            continue
        found.update(range(max(low, 0), min(high, completions - 1) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """The shortest listing: runs of three or more, and of two, as upstream writes them."""
    return ",".join(_runs(sorted(set(indexes))))


def index_of(pod: Object) -> int | None:
    """The completion index of a pod, None where it has none."""
    text = annotations_of(pod).get(INDEX)
    return int(text) if text is not None and text.isdigit() else None


def _runs(ordered: list[int]) -> Iterator[str]:
    start = 0
    for position, value in enumerate(ordered):
        if position + 1 == len(ordered) or ordered[position + 1] != value + 1:
            first = ordered[start]
            if first == value:
                yield str(value)
            else:
                yield f"{first},{value}" if value == first + 1 else f"{first}-{value}"
            start = position + 1
