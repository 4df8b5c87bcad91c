"""What a real kube-apiserver answered, replayed: code, reason and message of each refusal.

Recorded with version 1.20; where newer versions answer otherwise, the expectation is theirs and says so.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.apiserver.conftest import HTTP, Reply

ANSWERS = Path(__file__).parent / "answers"
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOKEN_VOLUME = re.compile(r"kube-api-access-\w{5}")

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p1"},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}
OUTDATED = (
    'Operation cannot be fulfilled on configmaps "uf": the object has been modified; '
    "please apply your changes to the latest version and try again"
)
#: (what, method, path, body, headers, code, reason, message)
REFUSALS: list[tuple[str, str, str, Any, dict[str, str], int, str, str]] = [
    ("missing object", "GET", f"{PODS}/none", None, {}, 404, "NotFound", 'pods "none" not found'),
    ("in a group", "GET", f"{DEPLOYMENTS}/none", None, {}, 404, "NotFound", 'deployments.apps "none" not found'),
    ("resource", "GET", "/api/v1/foos", None, {}, 404, "NotFound", "the server could not find the requested resource"),
    (
        "method", "PUT", PODS, POD, {}, 405, "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    ),
    (
        "namespace missing", "POST", "/api/v1/namespaces/nope/pods", POD, {}, 404, "NotFound",
        'namespaces "nope" not found',
    ),
    (
        "wrong kind", "POST", PODS, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}, {}, 400,
        "BadRequest",
        'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion',
    ),
    (
        "wrong namespace", "POST", PODS, {**POD, "metadata": {"name": "x", "namespace": "kube-system"}}, {}, 400,
        "BadRequest", "the namespace of the provided object does not match the namespace sent on the request",
    ),
    (
        "no name", "POST", PODS, {**POD, "metadata": {}}, {}, 422, "Invalid",
        'Pod "" is invalid: metadata.name: Required value: name or generateName is required',
    ),
    (
        "media type", "POST", PODS, "x", {"Content_Type": "text/plain"}, 415, "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json, "
        "application/yaml, application/vnd.kubernetes.protobuf",
    ),
    ("accept", "GET", PODS, None, {"Accept": "image/png"}, 406, "NotAcceptable", ""),
    (
        "exists", "POST", MAPS, {"metadata": {"name": "uf"}}, {}, 409, "AlreadyExists",
        'configmaps "uf" already exists',
    ),
    (
        "stale PUT", "PUT", f"{MAPS}/uf", {"metadata": {"name": "uf", "resourceVersion": "1"}}, {}, 409, "Conflict",
        OUTDATED,
    ),
    (
        "stale PATCH", "PATCH", f"{MAPS}/uf", {"metadata": {"resourceVersion": "1"}}, {"Content_Type": MERGE}, 409,
        "Conflict", OUTDATED,
    ),
    (
        "PUT missing", "PUT", f"{MAPS}/zz", {"metadata": {"name": "zz"}}, {}, 404, "NotFound",
        'configmaps "zz" not found',
    ),
    (
        "PUT name", "PUT", f"{MAPS}/uf", {"metadata": {"name": "zz"}}, {}, 400, "BadRequest",
        "the name of the object (zz) does not match the name on the URL (uf)",
    ),
    (
        "POST with revision", "POST", MAPS, {"metadata": {"name": "n", "resourceVersion": "1"}}, {}, 500, "",
        "resourceVersion should not be set on objects to be created",
    ),
    (
        "JSON patch test", "PATCH", f"{MAPS}/uf", [{"op": "test", "path": "/data", "value": 1}],
        {"Content_Type": "application/json-patch+json"}, 422, "Invalid",
        "the server rejected our request due to an error in our request",
    ),
    ("patch type", "PATCH", f"{MAPS}/uf", {}, {"Content_Type": "text/x"}, 415, "UnsupportedMediaType", ""),
    (
        "dryRun", "POST", f"{MAPS}?dryRun=foo", {"metadata": {"name": "n"}}, {}, 422, "Invalid",
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["foo"]: supported values: "All"',
    ),
    (
        "label selector", "GET", f"{PODS}?labelSelector=a%20b", None, {}, 400, "BadRequest",
        "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",  # 1.32+ words
    ),
    (
        "field selector", "GET", f"{PODS}?fieldSelector=spec.foo=x", None, {}, 400, "BadRequest",
        "field label not supported: spec.foo",
    ),
    (
        "field selector of configmaps", "GET", f"{MAPS}?fieldSelector=data.x=y", None, {}, 400, "BadRequest",
        '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ),
    (
        "revision", "GET", f"{PODS}?resourceVersion=abc", None, {}, 400, "BadRequest",  # 1.20: 500
        'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
        "invalid syntax",
    ),
    (
        "match without revision", "GET", f"{PODS}?resourceVersionMatch=Exact", None, {}, 422, "Invalid",
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
        "resourceVersionMatch is forbidden unless resourceVersion is provided",
    ),
    (
        "continue and revision", "GET", f"{PODS}?continue=eyJ9&resourceVersion=5", None, {}, 400, "BadRequest",
        "specifying resource version is not allowed when using continue",
    ),
    (
        "propagation", "DELETE", f"{MAPS}/uf", {"propagationPolicy": "Foo"}, {}, 422, "Invalid",
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Foo": '
        'supported values: "Foreground", "Background", "Orphan", "nil"',
    ),
    (
        "immortal namespace", "DELETE", "/api/v1/namespaces/kube-system", None, {}, 403, "Forbidden",
        'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    ),
    ("log", "GET", f"{PODS}/zz/log", None, {}, 404, "NotFound", 'pods "zz" not found'),
    ("exec", "GET", f"{PODS}/zz/exec?command=x&stdout=1", None, {}, 404, "NotFound", 'pods "zz" not found'),
    (
        "apply without manager", "PATCH", f"{MAPS}/uf?force=false", "{}",
        {"Content_Type": "application/apply-patch+yaml"}, 422, "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
async def _a_config_map(http: HTTP) -> None:
    assert (await http("POST", MAPS, {"metadata": {"name": "uf"}, "data": {"k": "v"}})).status == 201


async def test_every_recorded_refusal(http: HTTP) -> None:
    differing = []
    for what, method, path, body, headers, code, reason, message in REFUSALS:
        reply = await http(method, path, body, **headers)
        assert isinstance(reply.body, dict), f"{what}: {reply.body}"
        found = (reply.status, reply.body.get("reason", ""), reply.body.get("message"))
        if found != (code, reason, message or found[2]) or reply.body["kind"] != "Status":
            differing.append(f"{what}: {found}")
    assert differing == []


async def test_an_unknown_path_is_plain_text(http: HTTP) -> None:
    reply = await http("GET", "/nothing/here")
    assert (reply.status, reply.body) == (404, "404 page not found\n")


async def test_a_future_revision_is_asked_for_again(http: HTTP) -> None:
    reply = await http("GET", f"{PODS}?resourceVersion=99999999999999")
    assert reply.status == 504
    assert reply.headers["Retry-After"] == "1"
    assert reply.body["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


async def test_a_put_without_revision_is_taken_and_a_wrong_uid_is_not(http: HTTP) -> None:
    assert (await http("PUT", f"{MAPS}/uf", {"metadata": {"name": "uf"}})).status == 200
    reply = await http("PUT", f"{MAPS}/uf", {"metadata": {"name": "uf", "uid": "abc"}})
    assert reply.status == 409
    assert "Precondition failed: UID in precondition: abc" in reply.body["message"]


async def test_delete_preconditions_name_the_kind(http: HTTP) -> None:
    reply = await http("DELETE", f"{MAPS}/uf", {"preconditions": {"uid": "x"}})
    assert reply.status == 409
    assert reply.body["details"] == {"name": "uf", "kind": "ConfigMap"}
    assert "the UID in the precondition (x) does not match the UID in record (" in reply.body["message"]


async def test_a_patch_that_changes_nothing_keeps_the_revision(http: HTTP) -> None:
    before = (await http("GET", f"{MAPS}/uf")).body["metadata"]["resourceVersion"]
    reply = await http("PATCH", f"{MAPS}/uf", {"data": {"k": "v"}}, Content_Type=MERGE)
    assert reply.body["metadata"]["resourceVersion"] == before


async def test_a_dry_run_has_a_uid_and_no_revision_and_is_not_stored(http: HTTP) -> None:
    reply = await http("POST", f"{MAPS}?dryRun=All", {"metadata": {"name": "dr"}})
    assert reply.status == 201
    assert reply.body["metadata"]["uid"]
    assert "resourceVersion" not in reply.body["metadata"]
    assert (await http("GET", f"{MAPS}/dr")).status == 404


async def test_generated_names(http: HTTP) -> None:
    reply = await http("POST", MAPS, {"metadata": {"generateName": "gn-"}})
    name = reply.body["metadata"]["name"]
    assert name.startswith("gn-")
    assert len(name) == 8


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ANSWERS / name).read_text().splitlines()]


def neutral(value: Any, key: str = "") -> Any:
    """Without what differs between any two runs."""
    if isinstance(value, dict):
        return {name: neutral(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [neutral(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    if key == "resourceVersion":
        return "RV"
    for pattern, word in ((UID, "UID"), (TIME, "TIME"), (TOKEN_VOLUME, "kube-api-access-XXXXX")):
        value = pattern.sub(word, value)
    return value


def warnings_of(reply: Reply) -> list[str]:
    return [text.removeprefix("299 - ") for text in reply.headers.getall("Warning", [])]


async def test_every_kind_refuses_as_upstream_does(http: HTTP) -> None:
    differing = []
    for entry in recorded("refusals-1.37.jsonl"):
        headers = {"Content_Type": entry["type"]} if "type" in entry else {}
        reply = await http(entry["method"], entry["path"], entry["body"], **headers)
        details = reply.body.get("details") or {}
        causes = [[cause.get("field", ""), cause["reason"], cause["message"]] for cause in details.get("causes", [])]
        found = {
            "code": reply.status, "reason": reply.body.get("reason", ""), "kind": details.get("kind", ""),
            "causes": sorted(causes), "warnings": warnings_of(reply),
            "message": neutral(reply.body["message"]) if "message" in entry else None,
        }  # fmt: skip
        wanted = {name: entry.get(name) for name in found} | {"causes": sorted(entry["causes"])}
        if found != wanted:
            differing.append((entry["method"], entry["path"], found, wanted))
    assert differing == []


async def test_every_kind_is_completed_as_upstream_does_it(http: HTTP) -> None:
    differing = []
    for entry in recorded("objects-1.37.jsonl"):
        reply = await http("POST", entry["path"], entry["body"], User_Agent="kubectl/test")
        if (neutral(reply.body), warnings_of(reply)) != (entry["answer"], entry["warnings"]):
            differing.append((entry["path"], neutral(reply.body), entry["answer"]))
    assert differing == []


_REVISION = re.compile(r"current: \d+")


def compared(reply: Any) -> Any:
    """A body without what differs between any two runs, and without the order of causes."""
    found = neutral(reply)
    if isinstance(found, str):
        return found[:600]
    if not isinstance(found, dict) or found.get("kind") != "Status":
        return found
    causes = (found.get("details") or {}).get("causes")
    if causes:
        causes.sort(key=lambda cause: (cause.get("field", ""), cause["message"]))
    message = _REVISION.sub("current: N", found.get("message", ""))
    return found | {"message": "".join(sorted(message)) if found.get("reason") == "Invalid" else message}


async def test_every_kind_is_written_and_deleted_as_upstream_does_it(http: HTTP) -> None:
    """Creates, updates, patches of each kind, applies with conflicts, scales, deletions: one kind after the other."""
    differing = []
    lines = gzip.decompress((ANSWERS / "writes-1.37.jsonl.gz").read_bytes()).splitlines()
    for step in map(json.loads, lines):
        headers = {"User_Agent": "kubectl/test"}
        headers |= {"Content_Type": step["type"]} if "type" in step else {}
        headers |= {"Accept": step["accept"]} if "accept" in step else {}
        reply = await http(step["method"], step["path"], step.get("body"), **headers)
        if "answer" not in step:
            continue  # kube-apiserver compares raw bytes here, or prints Go's own types
        found = (reply.status, warnings_of(reply), compared(reply.body))
        if found != (step["code"], step["warnings"], compared(step["answer"])):
            differing.append((step["method"], step["path"], found, step))
    assert len(lines) > 1_200
    assert differing == []
