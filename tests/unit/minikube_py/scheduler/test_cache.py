"""The incremental sums of nodes."""

from __future__ import annotations

from minikube_py.scheduler.cache import ClusterCache
from minikube_py.scheduler.views import PodInfo


def pod(name: str, cpu: str = "100m") -> PodInfo:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return PodInfo.from_object({"metadata": {"name": name, "uid": name}, "spec": {"containers": [container]}})


def used(cache: ClusterCache, name: str) -> int:
    return next(node.requested.get("cpu", 0) for node in cache.nodes() if node.name == name)


def test_assumed_pods_count_until_forgotten() -> None:
    cache = ClusterCache()
    cache.set_node({"metadata": {"name": "a"}})
    cache.assume(pod("p"), "a")
    assert used(cache, "a") == 100
    cache.forget("p")
    assert used(cache, "a") == 0


def test_a_bound_pod_is_not_forgotten_by_a_late_failure() -> None:
    cache = ClusterCache()
    cache.set_node({"metadata": {"name": "a"}})
    cache.assume(pod("p"), "a")
    cache.place(pod("p", "200m"), "a")
    cache.forget("p")
    assert used(cache, "a") == 200


def test_a_pod_bound_elsewhere_moves() -> None:
    cache = ClusterCache()
    for name in "ab":
        cache.set_node({"metadata": {"name": name}})
    cache.assume(pod("p"), "a")
    cache.place(pod("p"), "b")
    assert (used(cache, "a"), used(cache, "b")) == (0, 100)


def test_pods_seen_before_their_node_are_counted() -> None:
    cache = ClusterCache()
    cache.place(pod("p"), "a")
    assert cache.nodes() == []
    cache.set_node({"metadata": {"name": "a"}})
    assert used(cache, "a") == 100
    cache.remove_node("a")
    cache.remove("p")
    assert cache.nodes() == []
