"""What a pod asks for."""

from __future__ import annotations

from typing import Any

from minikube_py.api.podresources import pod_limits, pod_requests


def container(name: str, cpu: str = "", memory: str = "", **extra: Any) -> dict[str, Any]:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": name, "resources": {"requests": requests}} | extra


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def test_containers_add_up_and_overhead_comes_on_top() -> None:
    found = pod_requests(pod(containers=[container("a", "250m", "64Mi"), container("b", "1")], overhead={"cpu": "10m"}))
    assert found == {"cpu": 1260, "memory": 64 * 1024**2}


def test_the_largest_init_container_counts_where_it_is_more() -> None:
    spec = pod(containers=[container("a", "100m")], initContainers=[container("i", "2"), container("j", "1")])
    assert pod_requests(spec) == {"cpu": 2000}


def test_sidecars_add_to_containers_and_to_later_init_containers() -> None:
    sidecar = container("s", "200m", restartPolicy="Always")
    spec = pod(containers=[container("a", "100m")], initContainers=[sidecar, container("i", "400m")])
    assert pod_requests(spec) == {"cpu": 600}
    spec = pod(containers=[container("a", "500m")], initContainers=[container("i", "400m"), sidecar])
    assert pod_requests(spec) == {"cpu": 700}


def test_pod_level_requests_replace_the_sum() -> None:
    spec = pod(containers=[container("a", "100m", "1Mi")], resources={"requests": {"cpu": "2"}})
    assert pod_requests(spec) == {"cpu": 2000, "memory": 1024**2}


def test_silent_containers_are_assumed_to_use_a_little() -> None:
    assert pod_requests(pod(containers=[container("a")]), assume_minimum=True) == {"cpu": 100, "memory": 200 * 1024**2}


def test_a_resize_under_way_holds_the_larger_amount() -> None:
    resized = pod(containers=[container("a", "100m")]) | {
        "status": {"containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "300m"}}]}
    }
    assert pod_requests(resized) == {"cpu": 300}


def test_overhead_raises_only_limits_that_exist() -> None:
    limited = {"name": "a", "resources": {"limits": {"cpu": "1"}}}
    spec = pod(containers=[limited], overhead={"cpu": "10m", "memory": "1Mi"})
    assert pod_limits(spec) == {"cpu": 1010}
