"""OpenAPI documents: whole, consistent, and with what kubectl looks for in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from apiserver.schema import protowire
from apiserver.schema.model import Model
from apiserver.schema.openapi import V2_PROTOBUF, OpenAPI, Packed, Redirect
from apiserver.schema.operations import group_name
from minikube_py.api.resources import BUILTIN

GROUPS = sorted({(f"apis/{r.group}/{r.version}" if r.group else f"api/{r.version}") for r in BUILTIN})


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return OpenAPI(Model.load(), BUILTIN)


def document(openapi: OpenAPI, path: str) -> Any:
    found = openapi.answer(path)
    assert isinstance(found, Packed)
    return json.loads(found.plain)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_leads_to_every_group(openapi: OpenAPI) -> None:
    paths = document(openapi, "/openapi/v3")["paths"]
    assert sorted(paths) == GROUPS
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    path, _, known = url.partition("?hash=")
    found = openapi.answer(path, known_hash=known)
    assert isinstance(found, Packed)
    assert found.etag == f'"{known}"'
    assert openapi.answer(path, known_hash="old") == Redirect(url)


@pytest.mark.parametrize("path", GROUPS)
def test_group_documents_are_complete(openapi: OpenAPI, path: str) -> None:
    found = document(openapi, f"/openapi/v3/{path}")
    schemas = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert set(references(found)) <= schemas
    ids = [op["operationId"] for item in found["paths"].values() for op in item.values() if isinstance(op, dict)]
    assert len(ids) == len(set(ids))
    kinds = {
        (gvk["group"], gvk["version"], gvk["kind"])
        for schema in found["components"]["schemas"].values()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }
    for resource in BUILTIN:
        if path == f"{'apis' if resource.group else 'api'}/{resource.api_version}":
            assert (resource.group, resource.version, resource.kind) in kinds
            assert resource.path("{namespace}" if resource.namespaced else None) in found["paths"]


def test_patches_offer_server_side_validation(openapi: OpenAPI) -> None:
    patch = document(openapi, "/openapi/v3/apis/apps/v1")["paths"][
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    ]["patch"]
    assert "fieldValidation" in {found["name"] for found in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"


def test_no_list_is_empty_for_clients_that_write_documents_again_lose_those(openapi: OpenAPI) -> None:
    for path in ("/openapi/v3/api/v1", "/openapi/v2"):
        items = document(openapi, path)["paths"].values()
        operations = [each for item in items for each in item.values() if isinstance(each, dict)]
        assert all(each.get("parameters", True) for each in operations)


def test_forms_of_version_3(openapi: OpenAPI) -> None:
    schemas = document(openapi, "/openapi/v3/api/v1")["components"]["schemas"]
    port = schemas["io.k8s.api.core.v1.ServicePort"]["properties"]
    assert port["protocol"]["default"] == "TCP"
    assert port["targetPort"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}
    ]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    assert schemas["io.k8s.api.core.v1.Container"]["properties"]["name"]["default"] == ""


def test_version_2(openapi: OpenAPI) -> None:
    found = document(openapi, "/openapi/v2")
    assert set(references(found)) <= {f"#/definitions/{name}" for name in found["definitions"]}
    body = found["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]["parameters"][0]
    assert (body["in"], body["schema"]) == ("body", {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"})


def test_version_2_as_protobuf(openapi: OpenAPI) -> None:
    found = openapi.answer("/openapi/v2", f"{V2_PROTOBUF},application/json;q=0.5")
    assert isinstance(found, Packed)
    assert found.content_type == V2_PROTOBUF
    fields = dict(protowire.fields(found.plain))
    assert fields[1] == b"2.0"
    assert {2, 8, 9} <= fields.keys()


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v3/api/v9", "/openapi/v4"])
def test_what_is_not_there(openapi: OpenAPI, path: str) -> None:
    assert openapi.answer(path) is None


@pytest.mark.parametrize(
    ("group", "name"),
    [("", "Core"), ("apps", "Apps"), ("rbac.authorization.k8s.io", "RbacAuthorization"), ("storage.k8s.io", "Storage")],
)
def test_group_names(group: str, name: str) -> None:
    assert group_name(group) == name
