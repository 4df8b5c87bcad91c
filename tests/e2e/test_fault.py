"""`minik fault` on a node: its proxy misses what happens, the status says so, and mending brings it up to date."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def node(cluster: MinikCluster) -> Iterator[str]:
    yield f"{cluster.name}-2"
    cluster.minik("fault", "clear", "--name", cluster.name)


@pytest.mark.parametrize("fault", [["drop-watch"], ["delay-slices"]])
def test_a_broken_proxy_is_shown_and_can_be_mended(
    cluster: MinikCluster, namespace: str, node: str, fault: list[str]
) -> None:
    seconds = ["3600"] if fault == ["delay-slices"] else []
    cluster.minik("fault", *fault, "--name", cluster.name, node, *seconds)
    status = cluster.minik("status", "--name", cluster.name, check=False)
    assert f"fault on {node}: {fault[0]}" in status.stdout
    assert status.returncode == 1
    cluster.kubectl("create", "service", "clusterip", "missed", "--tcp=80:80", "-n", namespace)
    held = eventually(
        lambda: cluster.minik("fault", "list", "--name", cluster.name).stdout.count("events held back"),
        within=60,
        what="something to be missed",
    )
    assert held == 1
    cluster.minik("fault", "clear", "--name", cluster.name, node)
    assert cluster.minik("fault", "list", "--name", cluster.name).stdout == "No faults.\n"


def test_a_frozen_proxy_serves_what_it_served(cluster: MinikCluster, namespace: str, node: str) -> None:
    cluster.minik("fault", "freeze-proxy", "--name", cluster.name, node)
    cluster.kubectl("create", "service", "clusterip", "late", "--tcp=80:80", "-n", namespace)
    table = f"/api/v1/nodes/{node}/proxy/debug/proxy"
    assert json.loads(cluster.kubectl("get", "--raw", table).stdout)["faults"][0]["fault"] == "freeze-proxy"
    cluster.minik("fault", "clear", "--name", cluster.name)
    assert json.loads(cluster.kubectl("get", "--raw", table).stdout)["faults"] == []


def test_a_node_that_is_not_there_is_named(cluster: MinikCluster) -> None:
    done = cluster.minik("fault", "freeze-proxy", "--name", cluster.name, "nobody", check=False)
    assert done.returncode == 1
    assert "nobody" in done.stderr
