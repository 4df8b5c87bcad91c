"""Counting pods exactly once."""

from __future__ import annotations

from typing import Any

from minikube_py.api.types import Object
from minikube_py.controllers.job.tally import FINALIZER, status_counts, take_tally


def job(status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "j", "uid": "j"}, "spec": spec, "status": status or {}}


def pod(name: str, phase: str = "Running", *, tracked: bool = True, index: int | None = None, **meta: Any) -> Object:
    notes = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    base = {"name": name, "uid": name, "annotations": notes, "finalizers": [FINALIZER] if tracked else []}
    return {"metadata": base | meta, "status": {"phase": phase}}


def test_list_release_count() -> None:
    """The three rounds in the life of an ended pod."""
    first = take_tally(job(), [pod("a", "Succeeded"), pod("b", "Failed")])
    assert (first.uncounted_succeeded, first.uncounted_failed, first.succeeded) == (["a"], ["b"], 0)
    assert [entry["metadata"]["name"] for entry in first.release] == ["a", "b"]
    listed = status_counts(job(), first)
    assert listed["uncountedTerminatedPods"] == {"succeeded": ["a"], "failed": ["b"]}
    crashed = take_tally(job(listed), [pod("a", "Succeeded"), pod("b", "Failed", tracked=False)])
    assert (crashed.uncounted_succeeded, crashed.failed, crashed.newly_failed) == (["a"], 1, [])
    done = take_tally(job(status_counts(job(), crashed)), [])
    assert (done.succeeded, done.failed, done.settled) == (1, 1, True)


def test_deleted_pods_fail_unless_their_end_is_waited_for() -> None:
    leaving = pod("a", deletionTimestamp="2026-01-01T00:00:00Z")
    assert take_tally(job(), [leaving]).uncounted_failed == ["a"]
    patient = take_tally(job(podReplacementPolicy="Failed"), [leaving])
    assert (patient.uncounted_failed, patient.terminating) == ([], 1)


def test_indexes_are_counted_once() -> None:
    indexed = job({"completedIndexes": "0"}, completionMode="Indexed", completions=3)
    tally = take_tally(indexed, [pod("a", "Succeeded", index=0), pod("b", "Succeeded", index=2)])
    assert (tally.succeeded, tally.completed) == (2, {0, 2})
    assert status_counts(indexed, tally)["completedIndexes"] == "0,2"


def test_failures_per_index() -> None:
    limited = job(completionMode="Indexed", completions=3, backoffLimitPerIndex=0)
    tally = take_tally(limited, [pod("a", "Failed", index=1)])
    assert tally.failed_indexes == {1}
    assert {index: found.counted for index, found in tally.index_failures.items()} == {1: 1}


def names(pods: list[Object]) -> list[str]:
    return [each["metadata"]["name"] for each in pods]


def test_the_last_failed_pod_of_an_index_is_held_until_another_tells_its_count() -> None:
    limited = job(completionMode="Indexed", completions=3, backoffLimitPerIndex=5)
    count = {"batch.kubernetes.io/job-completion-index": "1", "batch.kubernetes.io/job-index-failure-count": "1"}
    first, second = pod("a", "Failed", index=1), pod("b", "Failed", annotations=count)
    tally = take_tally(limited, [first, second])
    assert (names(tally.held), names(tally.release), tally.uncounted_failed) == (["b"], ["a"], ["a", "b"])
    successor = take_tally(limited, [second, pod("c", index=1)])
    assert (names(successor.held), names(successor.release)) == ([], ["b"])
    plain = take_tally(job(completionMode="Indexed", completions=3), [second])
    assert names(plain.release) == ["b"], "where failures are not counted by index, nothing is held"


def test_a_deleted_pod_counts_for_its_index() -> None:
    limited = job(completionMode="Indexed", completions=3, backoffLimitPerIndex=5)
    tally = take_tally(limited, [pod("a", index=1, deletionTimestamp="2026-01-01T00:00:00Z")])
    assert tally.index_failures[1].counted == 1
