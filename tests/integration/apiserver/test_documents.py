"""OpenAPI and discovery over HTTP: validators, caching, encodings; and who does not answer with Tables."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import HTTP

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def status_with(http: HTTP, path: str, **headers: str) -> int:
    """The status alone: a 304 has no body to read."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.session.get(http.url + path, headers=sent) as response:
        return response.status


async def test_openapi_is_found_by_its_hash_and_kept(http: HTTP) -> None:
    paths = (await http("GET", "/openapi/v3")).body["paths"]
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    found = await http("GET", url)
    assert found.headers["ETag"] == f'"{url.partition("hash=")[2]}"'
    assert found.headers.getall("Cache-Control") == ["public, immutable"]
    assert await status_with(http, url, If_None_Match=found.headers["ETag"]) == 304
    outdated = await http("GET", "/openapi/v3/apis/apps/v1?hash=old")
    assert outdated.body == found.body  # followed to the present document


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_openapi_2_in_any_encoding(http: HTTP, encoding: str) -> None:
    found = await http("GET", "/openapi/v2", Accept_Encoding=encoding)
    assert found.body["swagger"] == "2.0"


async def test_discovery_is_kept_by_its_tag(http: HTTP) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = await http("GET", "/apis", Accept=accept)
    assert found.headers["Content-Type"] == accept
    assert await status_with(http, "/apis", Accept=accept, If_None_Match=found.headers["ETag"]) == 304


async def test_reviews_have_no_tables(http: HTTP) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert (await http("POST", path, review, Accept=TABLE)).status == 406
    answered = (await http("POST", path, review)).body
    assert answered["status"]["allowed"] is True
    assert answered["metadata"] == {}


async def test_the_root_lists_what_can_be_asked_for(http: HTTP) -> None:
    paths = (await http("GET", "/")).body["paths"]
    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v3", "/readyz", "/version"} <= set(
        paths
    )
    for path in paths:
        assert await status_with(http, path) == 200, path
