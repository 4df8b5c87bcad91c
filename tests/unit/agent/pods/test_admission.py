"""What a node refuses of the pods that are bound to it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.pods.admission import admit
from tests.support.podstates import make_pod

NODE: dict[str, Any] = {
    "metadata": {"name": "n", "labels": {"disk": "hdd"}},
    "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}},
}


def _asks(cpu: str) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"nodeSelector": {"disk": "hdd"}, "os": {"name": "linux"}}, None),
        ({"nodeSelector": {"disk": "ssd"}}, "NodeAffinity"),
        ({"os": {"name": "windows"}}, "PodOSNotSupported"),
        (_asks("2"), None),
        (_asks("3"), "OutOfcpu"),
    ],
)
def test_a_pod_that_was_bound_by_hand(spec: dict[str, Any], reason: str | None) -> None:
    refusal = admit(make_pod(**spec), [], NODE)
    assert (refusal.reason if refusal else None) == reason


def test_a_node_that_is_full() -> None:
    others = [make_pod(metadata={"uid": f"u{number}", "name": f"p{number}"}) for number in range(3)]
    refusal = admit(make_pod(metadata={"uid": "new"}), others, NODE)
    assert refusal is not None and refusal.reason == "OutOfpods"
