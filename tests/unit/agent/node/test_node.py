"""What a Node tells of its machine, and the conditions it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.node.conditions import Health, node_conditions
from agent.node.facts import (
    Machine,
    NodeImage,
    addresses,
    available_disk,
    available_memory,
    capacity,
    image_list,
    node_info,
    read_machine,
    standard_labels,
)
from tests.support.podstates import START

MACHINE = Machine(
    cpus=4, memory_bytes=8 << 30, disk_bytes=100 << 30, boot_id="b", machine_id="m", system_uuid="u",
    kernel="6.1.0", os_image="Debian", architecture="amd64",
)  # fmt: skip
FINE = {"available_memory": 1 << 30, "disk_free": 0.5, "inodes_free": 0.5}

CASES = [
    ({}, {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}),
    ({"available_memory": 50 << 20}, {"MemoryPressure": "True", "Ready": "True"}),
    ({"disk_free": 0.05}, {"DiskPressure": "True", "Ready": "True"}),
    ({"inodes_free": 0.01}, {"DiskPressure": "True"}),
    ({"runtime_fault": "container runtime is down: gone"}, {"Ready": "False", "MemoryPressure": "False"}),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_conditions(given: dict[str, object], expected: dict[str, str]) -> None:
    found = node_conditions(Health(**{**FINE, **given}), (), START)  # type: ignore[arg-type]
    statuses = {condition["type"]: condition["status"] for condition in found}
    assert statuses == {**statuses, **expected}
    assert all(condition["reason"].startswith("Kubelet") for condition in found)


def test_a_transition_is_dated_when_it_happens() -> None:
    before = node_conditions(Health(**FINE), (), START)  # type: ignore[arg-type]
    for condition in before:
        condition["lastTransitionTime"] = "2025-01-01T00:00:00Z"
    after = node_conditions(Health(**{**FINE, "disk_free": 0.01}), before, START)  # type: ignore[arg-type]
    changed = {one["type"] for one in after if one["lastTransitionTime"] != "2025-01-01T00:00:00Z"}
    assert changed == {"DiskPressure"}
    assert {one["lastHeartbeatTime"] for one in after} == {"2026-01-01T00:00:00Z"}


def test_facts() -> None:
    assert capacity(MACHINE) | {"cpu": "4", "memory": "8388608Ki", "pods": "110"} == capacity(MACHINE)
    assert standard_labels("n", MACHINE)["kubernetes.io/arch"] == "amd64"
    assert addresses("n", ("10.0.0.1", "fd00::1")) == [
        {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "InternalIP", "address": "fd00::1"},
        {"type": "Hostname", "address": "n"},
    ]
    assert node_info(MACHINE, "minik-process://1")["containerRuntimeVersion"] == "minik-process://1"


def test_images_are_listed_largest_first_and_not_without_end() -> None:
    images = [NodeImage((f"i{size}",), size) for size in range(60)]
    listed = image_list(images)
    assert len(listed) == 50
    assert listed[0] == {"names": ["i59"], "sizeBytes": 59}


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert machine.cpus >= 1
    assert machine.memory_bytes >= available_memory() > 0
    assert all(0 <= part <= 1 for part in available_disk(tmp_path))
