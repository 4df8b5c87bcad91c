"""managedFields and server-side apply over HTTP: a real server's recorded answers, and every kind of writer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.apiserver.conftest import HTTP, Reply

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
APPLY = "application/apply-patch+yaml"
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "0.5"}}}]},
        },
    },
}


async def apply(http: HTTP, manager: str, obj: dict[str, Any], path: str = MAPS, query: str = "") -> Reply:
    name = obj["metadata"]["name"]
    body = json.dumps(obj)
    return await http("PATCH", f"{path}/{name}?fieldManager={manager}{query}", body, Content_Type=APPLY)


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def entries(reply: Reply) -> list[tuple[str, str, str]]:
    found = reply.body["metadata"].get("managedFields", ())
    return [(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in found]


async def test_creating_conflicting_and_dropping(http: HTTP) -> None:
    created = await apply(http, "a", config_map(k="1", l="2"))
    assert (created.status, entries(created)) == (201, [("a", "Apply", "")])
    conflict = await apply(http, "b", config_map(k="2"))
    assert conflict.status == 409
    assert conflict.body["message"] == 'Apply failed with 1 conflict: conflict with "a": .data.k'
    assert conflict.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.k"}
    ]
    dropped = await apply(http, "a", config_map(k="1"))
    assert (dropped.status, dropped.body["data"]) == (200, {"k": "1"})
    assert dropped.body["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:k": {}}}
    forced = await apply(http, "b", config_map(k="2"), query="&force=true")
    assert (forced.status, forced.body["data"], entries(forced)) == (200, {"k": "2"}, [("b", "Apply", "")])


async def test_applying_the_same_again_writes_nothing(http: HTTP) -> None:
    first = await apply(http, "a", DEPLOYMENT, DEPLOYMENTS)
    assert first.status == 201, first.body
    again = await apply(http, "a", DEPLOYMENT, DEPLOYMENTS)
    assert again.body == first.body


async def test_a_dry_run_leaves_no_trace(http: HTTP) -> None:
    created = await apply(http, "a", config_map(k="1"))
    dry = await apply(http, "b", config_map(l="1"), query="&dryRun=All")
    assert dry.body["data"] == {"k": "1", "l": "1"}
    assert (await http("GET", f"{MAPS}/x")).body == created.body


async def test_every_writer_is_followed(http: HTTP) -> None:
    await http("POST", f"{DEPLOYMENTS}?fieldManager=creator", DEPLOYMENT)
    await http(
        "PATCH", f"{DEPLOYMENTS}/d?fieldManager=merger", {"metadata": {"labels": {"l": "m"}}},
        Content_Type="application/merge-patch+json",
    )  # fmt: skip
    await http(
        "PATCH", f"{DEPLOYMENTS}/d/status?fieldManager=controller", {"status": {"replicas": 1}},
        Content_Type="application/merge-patch+json",
    )  # fmt: skip
    scale = await http("GET", f"{DEPLOYMENTS}/d/scale")
    await http("PUT", f"{DEPLOYMENTS}/d/scale?fieldManager=scaler", {**scale.body, "spec": {"replicas": 3}})
    found = await http("GET", f"{DEPLOYMENTS}/d")
    assert set(entries(found)) == {
        ("creator", "Update", ""),
        ("merger", "Update", ""),
        ("controller", "Update", "status"),
        ("scaler", "Update", "scale"),
    }
    fields = {entry["manager"]: entry["fieldsV1"] for entry in found.body["metadata"]["managedFields"]}
    assert fields["scaler"] == {"f:spec": {"f:replicas": {}}}
    assert fields["controller"] == {"f:status": {"f:replicas": {}}}
    assert "f:replicas" not in fields["creator"]["f:spec"]
    conflict = await apply(http, "a", {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 5}}, DEPLOYMENTS)
    words = 'conflicts with "scaler" with subresource "scale" using apps/v1:\n- .spec.replicas'
    assert words in conflict.body["message"]


async def test_a_scale_is_applied_to_the_workload(http: HTTP) -> None:
    await http("POST", f"{DEPLOYMENTS}?fieldManager=creator", DEPLOYMENT)
    path = f"{DEPLOYMENTS}/d/scale?fieldManager=a"
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 4}}
    conflict = await http("PATCH", path, json.dumps(scale), Content_Type=APPLY)
    assert (conflict.status, conflict.body["details"]["causes"][0]["field"]) == (409, ".spec.replicas")
    reply = await http("PATCH", f"{path}&force=true", json.dumps(scale), Content_Type=APPLY)
    assert (reply.status, reply.body["kind"], reply.body["spec"]) == (200, "Scale", {"replicas": 4})
    found = await http("GET", f"{DEPLOYMENTS}/d")
    (entry,) = [entry for entry in found.body["metadata"]["managedFields"] if entry["operation"] == "Apply"]
    assert (entry["subresource"], entry["fieldsV1"]) == ("scale", {"f:spec": {"f:replicas": {}}})
    unknown = await http("PATCH", path, json.dumps({**scale, "spec": {"x": 4}}), Content_Type=APPLY)
    assert ".spec.x: field not declared in schema" in unknown.body["message"]


async def test_status_is_applied_through_its_own_path(http: HTTP) -> None:
    await apply(http, "a", {**DEPLOYMENT, "status": {"replicas": 9}}, DEPLOYMENTS)
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 2}}
    path = f"{DEPLOYMENTS}/d/status?fieldManager=c"
    reply = await http("PATCH", path, json.dumps({**status, "spec": {"replicas": 7}}), Content_Type=APPLY)
    assert (reply.status, reply.body["status"]["replicas"], reply.body["spec"]["replicas"]) == (200, 2, 1)
    assert entries(reply) == [("a", "Apply", ""), ("c", "Apply", "status")]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("{", 400, "error decoding YAML"),
        ("[]", 400, "error decoding YAML"),
        ("apiVersion: v2\nkind: ConfigMap", 400, "Specified patch version: v2, expected: v1"),
        ("apiVersion: v1\nkind: ConfigMap\nfoo: 1", 500, ".foo: field not declared in schema"),
        ("apiVersion: v1\nkind: ConfigMap\ndata: 5", 500, ".data: expected map, got &{5}"),
    ],
)
async def test_refusals(http: HTTP, body: str, code: int, words: str) -> None:
    reply = await http("PATCH", f"{MAPS}/x?fieldManager=a", body, Content_Type=APPLY)
    assert reply.status == code
    assert words in reply.body["message"]


async def test_the_name_is_that_of_the_path(http: HTTP) -> None:
    other = json.dumps(config_map(k="1") | {"metadata": {"name": "y"}})
    reply = await http("PATCH", f"{MAPS}/x?fieldManager=a", other, Content_Type=APPLY)
    assert (reply.status, reply.body["message"]) == (
        400,
        "the name of the object (y) does not match the name on the URL (x)",
    )
    bare = json.dumps(config_map(k="1") | {"metadata": {}})
    reply = await http("PATCH", f"{MAPS}/x?fieldManager=a", bare, Content_Type=APPLY)
    assert (reply.status, "name must be provided" in reply.body["message"]) == (400, True)


async def test_hostile_managed_fields(http: HTTP) -> None:
    await http("POST", MAPS, config_map(k="1"))
    for fields in ({"f:data": 5}, {"k:x": {}}, {"f:data": {"f:k": {"f:x": []}}}):
        sent = config_map(k="1")
        sent["metadata"]["managedFields"] = [{"manager": "x", "operation": "Update", "fieldsV1": fields}]
        assert (await http("PUT", f"{MAPS}/x", sent)).status in (200, 422)
        assert (await apply(http, "a", config_map(k="2"))).status in (200, 409)


async def test_applied_yaml_may_not_say_a_key_twice(http: HTTP) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\ndata: {a: c}\n"
    strict = await http("PATCH", f"{MAPS}/x?fieldManager=a&fieldValidation=Strict", body, Content_Type=APPLY)
    assert (strict.status, 'key "data" already set in map' in strict.body["message"]) == (400, True)
    warned = await http("PATCH", f"{MAPS}/x?fieldManager=a", body, Content_Type=APPLY)
    assert warned.status == 201
    assert 'key \\"data\\" already set in map' in warned.headers["Warning"]


async def test_managers_of_other_versions_lose_what_is_changed_in_their_own_terms(http: HTTP) -> None:
    path = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    old = {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    await http("POST", path.format("v1") + "?fieldManager=old", {"metadata": {"name": "h"}, "spec": old})
    utilization = {"type": "Utilization", "averageUtilization": 60}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": utilization}}
    reply = await http(
        "PATCH", path.format("v2") + "/h?fieldManager=new", {"spec": {"metrics": [metric]}},
        Content_Type="application/merge-patch+json",
    )  # fmt: skip
    entries = {entry["manager"]: entry for entry in reply.body["metadata"]["managedFields"]}
    assert (entries["old"]["apiVersion"], entries["new"]["apiVersion"]) == ("autoscaling/v1", "autoscaling/v2")
    assert set(entries["old"]["fieldsV1"]["f:spec"]) == {"f:maxReplicas", "f:minReplicas", "f:scaleTargetRef"}
    assert set(entries["new"]["fieldsV1"]["f:spec"]) == {"f:metrics"}
