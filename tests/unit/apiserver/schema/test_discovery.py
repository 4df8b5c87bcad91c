"""Discovery as real clients ask for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.schema.discovery import Discovery, aggregated_version, storage_version_hash
from minikube_py.api.resources import BUILTIN

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
DISCOVERY = Discovery(BUILTIN, server_address="127.0.0.1:6443")


def read(path: str, accept: str = "") -> Any:
    document = DISCOVERY.answer(path, accept)
    assert document is not None
    return json.loads(document.body)


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", None),
        ("application/json", None),
        ("*/*", None),
        (f"{V2},{V2BETA1},application/json", "v2"),
        (f"{V2BETA1},application/json", "v2beta1"),
        (f"{V2}", "v2"),
        (f"application/json,{V2}", None),
        (f"application/json;q=0.1,{V2};q=0.9", "v2"),
        ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json", None),
        (f"application/vnd.kubernetes.protobuf;g=x,{V2}", "v2"),
    ],
)
def test_the_accept_header_chooses_the_form(accept: str, version: str | None) -> None:
    assert aggregated_version(accept) == version


def test_legacy_roots() -> None:
    assert read("/api")["versions"] == ["v1"]
    groups = [group["name"] for group in read("/apis/")["groups"]]
    assert groups[:2] == ["apps", "events.k8s.io"]
    assert len(groups) == len(set(groups)) == len({resource.group for resource in BUILTIN} - {""})
    autoscaling = read("/apis/autoscaling")
    assert autoscaling["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    assert [version["version"] for version in autoscaling["versions"]] == ["v2", "v1"]


def test_legacy_resources() -> None:
    listed = {entry["name"]: entry for entry in read("/api/v1")["resources"]}
    assert listed["pods"] == {
        "name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "shortNames": ["po"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "categories": ["all"], "storageVersionHash": storage_version_hash("", "v1", "Pod"),
    }  # fmt: skip
    assert listed["pods/eviction"]["group"] == "policy"
    assert "group" not in listed["pods/log"]
    assert list(listed) == sorted(listed, key=lambda name: name.split("/"))
    scale = next(e for e in read("/apis/apps/v1")["resources"] if e["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


def test_upstreams_hash_of_a_pod() -> None:
    assert storage_version_hash("", "v1", "Pod") == "xPOwRZ+Yhw8="


@pytest.mark.parametrize("path", ["/apis/nope", "/apis/apps/v9", "/api/v2", "/apis/apps/v1/deployments", "/"])
def test_what_is_not_there(path: str) -> None:
    assert DISCOVERY.answer(path) is None


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated(version: str) -> None:
    accept = V2 if version == "v2" else V2BETA1
    document = DISCOVERY.answer("/apis", accept)
    assert document is not None
    assert document.content_type == accept
    assert document.etag.startswith('"')
    assert document.etag.endswith('"')
    found = read("/apis", accept)
    assert found["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert {item["metadata"]["name"] for item in found["items"]} == {r.group for r in BUILTIN if r.group}
    apps = next(item for item in found["items"] if item["metadata"]["name"] == "apps")
    deployments = next(r for r in apps["versions"][0]["resources"] if r["resource"] == "deployments")
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert [sub["subresource"] for sub in deployments["subresources"]] == ["scale", "status"]
    core = read("/api", accept)["items"]
    assert len(core) == 1
    assert core[0]["versions"][0]["version"] == "v1"


def test_documents_are_built_once() -> None:
    assert DISCOVERY.answer("/apis", V2) is DISCOVERY.answer("/apis/", V2)


def test_paths_that_are_not_there_are_forgotten() -> None:
    discovery = Discovery(BUILTIN)
    for number in range(100):
        assert discovery.answer(f"/apis/group{number}") is None
    assert not discovery._documents
