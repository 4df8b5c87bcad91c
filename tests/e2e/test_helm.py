"""Helm 3 and 4: install and wait, upgrade, roll back, list, uninstall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.minik import CLIENTS, MinikCluster

pytestmark = pytest.mark.e2e

CHART = str(Path(__file__).parent / "chart")


@pytest.mark.parametrize(
    "helm", sorted(CLIENTS.glob("helm-*")) or [None], ids=lambda path: path.name if path else "none"
)
def test_the_life_of_a_release(cluster: MinikCluster, namespace: str, helm: Path | None) -> None:
    if helm is None:
        pytest.skip("no helm: run `python tools/fetch_clients.py .clients`")

    def say(*argv: str) -> str:
        return cluster.run(str(helm), "-n", namespace, *argv, timeout=90).stdout

    say("install", "web", CHART, "--wait", "--timeout", "60s")
    assert cluster.get("deployment", "web", "-n", namespace)["status"]["readyReplicas"] == 1
    say("upgrade", "web", CHART, "--set", "replicas=2", "--wait", "--timeout", "60s")
    assert cluster.get("deployment", "web", "-n", namespace)["status"]["readyReplicas"] == 2
    say("rollback", "web", "1", "--wait")
    assert cluster.get("deployment", "web", "-n", namespace)["spec"]["replicas"] == 1
    assert [release["revision"] for release in json.loads(say("list", "-o", "json"))] == ["3"]
    say("uninstall", "web", "--wait")
    assert cluster.get("deployments,services", "-n", namespace)["items"] == []
