"""Statistics of the engine."""

from __future__ import annotations

from agent.runtime.docker.usage import from_stats


def test_usage_from_both_versions_of_control_groups() -> None:
    cpu = {"cpu_usage": {"total_usage": 5}}
    one = from_stats("c", {"cpu_stats": cpu, "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 40}}})
    two = from_stats("c", {"cpu_stats": cpu, "memory_stats": {"usage": 100, "stats": {"inactive_file": 30}}})
    assert one is not None
    assert two is not None
    assert (one.cpu_nanoseconds, one.memory_bytes, two.memory_bytes) == (5, 60, 70)
    assert from_stats("c", {"memory_stats": {}}) is None
