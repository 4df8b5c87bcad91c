"""What a request line asks for."""

from __future__ import annotations

import pytest

from apiserver.routes.options import check_timeout
from apiserver.routes.request import RequestInfo, is_true, parse_request
from minikube_py.api.errors import BadRequest


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=true", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=0", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/p", ("get", "", "v1", "pods", "a", "p", "")),
        ("POST", "/api/v1/namespaces/a/pods/p/binding", ("create", "", "v1", "pods", "a", "p", "binding")),
        ("GET", "/api/v1/namespaces/a", ("get", "", "v1", "namespaces", "a", "a", "")),
        ("PUT", "/api/v1/namespaces/a/finalize", ("update", "", "v1", "namespaces", "a", "a", "finalize")),
        ("GET", "/api/v1/namespaces/a/status/x", ("get", "", "v1", "namespaces", "a", "a", "status")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments",
         ("deletecollection", "apps", "v1", "deployments", "a", "", "")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments/d", ("delete", "apps", "v1", "deployments", "a", "d", "")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale",
         ("patch", "apps", "v1", "deployments", "a", "d", "scale")),
        ("GET", "/api/v1/watch/namespaces/a/pods", ("watch", "", "v1", "pods", "a", "", "")),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp", ("list", "", "v1", "pods", "", "p", "")),
        ("GET", "/api/v1/nodes/n%2F1", ("get", "", "v1", "nodes", "", "n/1", "")),
    ],
)  # fmt: skip
def test_resources(method: str, target: str, expected: tuple[str, ...]) -> None:
    info = parse_request(method, target)
    assert info.is_resource
    found = (info.verb, info.group, info.version, info.plural, info.namespace, info.name, info.subresource)
    assert found == expected


@pytest.mark.parametrize("target", ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/", "/healthz/ping"])
def test_everything_else_is_a_path(target: str) -> None:
    info = parse_request("GET", target)
    assert (info.is_resource, info.verb, info.path) == (False, "get", target)


def test_the_rest_belongs_to_a_proxy() -> None:
    info = parse_request("GET", "/api/v1/namespaces/a/services/http:s:80/proxy/x/y?q=1")
    assert (info.name, info.subresource, info.rest) == ("http:s:80", "proxy", "x/y")
    assert info.parameter("q") == "1"
    assert info.parameter("none", "default") == "default"


def test_a_list_narrowed_to_a_name_is_not_about_one_object() -> None:
    assert not parse_request("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp").name_in_path
    assert parse_request("GET", "/api/v1/namespaces/a/pods/p").name_in_path
    assert RequestInfo("GET", "/", "get").name == ""


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), ("0", False), ("False", False), ("1", True), ("yes", True)]
)
def test_booleans(text: str, expected: bool) -> None:
    assert is_true(text) is expected


@pytest.mark.parametrize("text", ["", "0", "30s", "1m30s", "-1.5h", "2ms"])
def test_timeouts_are_durations_of_go(text: str) -> None:
    check_timeout(text)


def test_a_timeout_that_is_no_duration_is_refused() -> None:
    with pytest.raises(BadRequest, match='specified in the request URL - time: invalid duration "soon"'):
        check_timeout("soon")
