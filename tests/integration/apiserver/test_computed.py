"""Resources that are worked out when asked for: componentstatuses and metrics.k8s.io."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import HTTP

STATUSES = "/api/v1/componentstatuses"
METRICS = "/apis/metrics.k8s.io/v1beta1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def test_the_store_says_how_it_is(http: HTTP) -> None:
    (found,) = (await http("GET", STATUSES)).body["items"]
    assert found["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    reply = await http("GET", f"{STATUSES}/etcd-0", Accept=TABLE)
    assert reply.body["rows"][0]["cells"] == ["etcd-0", "Healthy", "ok", ""]
    assert (await http("GET", f"{STATUSES}/scheduler")).status == 404


async def test_metrics_are_discovered_and_read_only(http: HTTP) -> None:
    assert "metrics.k8s.io" in {group["name"] for group in (await http("GET", "/apis")).body["groups"]}
    resources = (await http("GET", METRICS)).body["resources"]
    assert [(each["name"], each["kind"]) for each in resources] == [("nodes", "NodeMetrics"), ("pods", "PodMetrics")]
    for path in ("nodes", "pods", "namespaces/default/pods?labelSelector=a%3Db"):
        reply = await http("GET", f"{METRICS}/{path}")
        assert (reply.status, reply.body["items"]) == (200, [])
    reply = await http("GET", f"{METRICS}/nodes", Accept=TABLE)
    assert (reply.body["kind"], reply.body["rows"]) == ("Table", [])
    assert (await http("GET", f"{METRICS}/nodes/none")).status == 404


@pytest.mark.parametrize(("method", "path"), [("POST", "nodes"), ("DELETE", "nodes/x"), ("GET", "nodes?watch=true")])
async def test_nothing_is_written_or_watched(http: HTTP, method: str, path: str) -> None:
    reply = await http(method, f"{METRICS}/{path}", {} if method == "POST" else None)
    assert reply.status == 405
