"""A short run of chaos, the same each time: parts, machines, containers and cables fail while workloads churn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.chaos.run import Chaos
from benchmarks.chaos.target import Target
from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

SEED, SECONDS = 7, 8.0


async def test_after_chaos_all_is_as_wanted_and_nothing_else_is_left(make_cluster: Callable[..., MinikCluster]) -> None:
    cluster = make_cluster(name="chaos")
    cluster.up(nodes=3, extra=["--node-grace", "4"])
    report = await Chaos(Target.at(cluster.home / "m" / "clusters" / "chaos"), seed=SEED).run(SECONDS)
    assert not report.wrong, "\n".join([*report.done, "WRONG:", *report.wrong])
