"""Deletion as a real server was seen to do it: grace, finalizers, propagation, namespaces."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from apiserver.routes import pacing
from tests.integration.apiserver.conftest import HTTP

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "x"}]}}


async def bound_pod(http: HTTP, name: str) -> None:
    assert (await http("POST", PODS, pod(name))).status == 201
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}}
    assert (await http("POST", f"{PODS}/{name}/binding", binding)).status == 201


async def test_a_configmap_answers_with_a_status(http: HTTP) -> None:
    created = (await http("POST", MAPS, {"metadata": {"name": "a"}})).body
    reply = await http("DELETE", f"{MAPS}/a")
    assert reply.body["status"] == "Success"
    assert reply.body["details"] == {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}


async def test_a_pod_without_a_node_goes_at_once_and_answers_with_itself(http: HTTP) -> None:
    await http("POST", PODS, pod("p"))
    reply = await http("DELETE", f"{PODS}/p")
    assert (reply.status, reply.body["kind"]) == (200, "Pod")
    assert (await http("GET", f"{PODS}/p")).status == 404


async def test_a_bound_pod_gets_its_grace_once(http: HTTP) -> None:
    await bound_pod(http, "p")
    first = (await http("DELETE", f"{PODS}/p")).body["metadata"]
    assert first["deletionGracePeriodSeconds"] == 30
    wait = datetime.fromisoformat(first["deletionTimestamp"]) - datetime.fromisoformat(first["creationTimestamp"])
    assert 29 <= wait.total_seconds() <= 32
    again = (await http("DELETE", f"{PODS}/p")).body["metadata"]
    assert again["resourceVersion"] == first["resourceVersion"]
    shorter = (await http("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})).body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert (await http("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})).status == 200
    assert (await http("GET", f"{PODS}/p")).status == 404


async def test_finalizers_hold_and_release(http: HTTP) -> None:
    await http("POST", MAPS, {"metadata": {"name": "f", "finalizers": ["x.y/z"]}})
    held = (await http("DELETE", f"{MAPS}/f")).body
    assert held["kind"] == "ConfigMap"
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    more = await http("PATCH", f"{MAPS}/f", {"metadata": {"finalizers": ["x.y/z", "n.e/w"]}}, Content_Type=MERGE)
    assert more.status == 422
    assert "no new finalizers can be added" in more.body["message"]
    revived = await http("PATCH", f"{MAPS}/f", {"metadata": {"deletionTimestamp": None}}, Content_Type=MERGE)
    assert revived.body["metadata"]["deletionTimestamp"]
    released = await http("PATCH", f"{MAPS}/f", {"metadata": {"finalizers": None}}, Content_Type=MERGE)
    assert released.status == 200
    assert (await http("GET", f"{MAPS}/f")).status == 404


async def test_propagation_policies_are_finalizers(http: HTTP) -> None:
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        name = policy.lower()
        await http("POST", MAPS, {"metadata": {"name": name}})
        reply = await http("DELETE", f"{MAPS}/{name}?propagationPolicy={policy}")
        assert reply.body["metadata"]["finalizers"] == [finalizer]


async def test_delete_options_come_with_or_without_their_kind(http: HTTP) -> None:
    for index, kind in enumerate(({}, {"kind": "DeleteOptions", "apiVersion": "v1"})):
        await http("POST", MAPS, {"metadata": {"name": f"o{index}"}})
        reply = await http("DELETE", f"{MAPS}/o{index}", {**kind, "propagationPolicy": "Foreground"})
        assert reply.body["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_a_collection_is_deleted_by_selector(http: HTTP) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await http("POST", MAPS, {"metadata": {"name": name, "labels": {"l": label}}})
    reply = await http("DELETE", f"{MAPS}?labelSelector=l%3Dx")
    assert [item["metadata"]["name"] for item in reply.body["items"]] == ["a", "b"]
    left = (await http("GET", MAPS)).body["items"]
    assert "c" in [item["metadata"]["name"] for item in left]
    assert "a" not in [item["metadata"]["name"] for item in left]


async def test_a_namespace_waits_for_its_finalizer(http: HTTP) -> None:
    created = (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "nd"}})).body
    assert created["spec"]["finalizers"] == ["kubernetes"]
    deleted = await http("DELETE", "/api/v1/namespaces/nd")
    assert (deleted.status, deleted.body["status"]["phase"]) == (200, "Terminating")
    refused = await http("POST", "/api/v1/namespaces/nd/configmaps", {"metadata": {"name": "a"}})
    assert refused.status == 403
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    final = {**deleted.body, "spec": {"finalizers": []}}
    assert (await http("PUT", "/api/v1/namespaces/nd/finalize", final)).status == 200
    assert (await http("GET", "/api/v1/namespaces/nd")).status == 404


async def test_a_binding_can_also_be_posted_by_itself_and_only_once(http: HTTP) -> None:
    await http("POST", PODS, pod("p"))
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert (await http("POST", "/api/v1/namespaces/default/bindings", binding)).status == 201
    bound = (await http("GET", f"{PODS}/p")).body
    assert bound["spec"]["nodeName"] == "n1"
    assert [each["type"] for each in bound["status"]["conditions"]] == ["PodScheduled"]
    again = await http("POST", f"{PODS}/p/binding", binding)
    assert again.status == 409
    assert 'is already assigned to node "n1"' in again.body["message"]


async def test_a_collection_goes_step_by_step_and_others_may_be_quicker(
    http: HTTP, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two deletions everybody gets a turn, and what is gone or new by then is no fault."""
    monkeypatch.setattr(pacing, "TURN", 0.0)
    names = [f"many-{number:02}" for number in range(40)]
    for name in names:
        assert (await http("POST", MAPS, {"metadata": {"name": name, "labels": {"many": "yes"}}})).status == 201
    async with asyncio.TaskGroup() as group:
        whole = group.create_task(http("DELETE", f"{MAPS}?labelSelector=many"))
        single = [group.create_task(http("DELETE", f"{MAPS}/{name}")) for name in reversed(names)]
    assert whole.result().status == 200
    assert {each.result().status for each in single} <= {200, 404}
    assert (await http("GET", f"{MAPS}?labelSelector=many")).body["items"] == []
