"""Order, backoff and waking of waiting pods."""

from __future__ import annotations

from minikube_py.scheduler.queue import PARKED_SECONDS, SchedulingQueue
from minikube_py.scheduler.views import PodInfo

FIT = frozenset({"NodeResourcesFit"})


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pod(name: str, priority: int = 0) -> PodInfo:
    return PodInfo.from_object({"metadata": {"name": name, "uid": name}, "spec": {"priority": priority}})


def popped(queue: SchedulingQueue) -> str:
    entry = queue.pop()
    return entry.pod.key.name if entry else ""


def test_priority_then_age() -> None:
    queue = SchedulingQueue(Time())
    for newcomer in (pod("old"), pod("young"), pod("vip", 100)):
        queue.add(newcomer)
    assert [popped(queue), popped(queue), popped(queue), popped(queue)] == ["vip", "old", "young", ""]
    assert queue.next_due() is None


def test_a_refused_pod_wakes_only_for_what_concerns_it() -> None:
    queue = SchedulingQueue(Time())
    queue.add(pod("a"))
    entry = queue.pop()
    assert entry is not None
    queue.refused(entry, FIT)
    queue.changed(frozenset({"TaintToleration"}))
    assert popped(queue) == ""
    queue.changed(FIT)
    assert popped(queue) == "a"


def test_an_event_during_the_attempt_is_not_lost() -> None:
    queue = SchedulingQueue(Time())
    queue.add(pod("a"))
    entry = queue.pop()
    assert entry is not None
    queue.changed(FIT)
    queue.refused(entry, FIT)
    assert popped(queue) == "a"


def test_failed_attempts_back_off_and_double() -> None:
    time = Time()
    queue = SchedulingQueue(time)
    queue.add(pod("a"))
    waits = []
    for _ in range(6):
        entry = queue.pop()
        assert entry is not None
        queue.refused(entry, frozenset(), error=True)
        assert queue.pop() is None
        due = queue.next_due()
        assert due is not None
        waits.append(due)
        time.now += due
    assert waits == [1, 2, 4, 8, 10, 10]


def test_a_parked_pod_is_tried_again_in_the_end() -> None:
    time = Time()
    queue = SchedulingQueue(time)
    queue.add(pod("a"))
    entry = queue.pop()
    assert entry is not None
    queue.refused(entry, FIT)
    assert queue.next_due() == PARKED_SECONDS
    time.now += PARKED_SECONDS
    assert popped(queue) == "a"


def test_a_pod_that_is_gone_is_not_handed_out() -> None:
    queue = SchedulingQueue(Time())
    queue.add(pod("a"))
    queue.remove("a")
    assert popped(queue) == ""
    assert len(queue) == 0
