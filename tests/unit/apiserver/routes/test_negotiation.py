"""Accept headers of real clients, and of others."""

from __future__ import annotations

import pytest

from apiserver.routes.negotiation import Wanted, negotiate
from minikube_py.api.errors import NotAcceptable

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Wanted()),
        ("*/*", Wanted()),
        ("application/json", Wanted()),
        ("application/vnd.kubernetes.protobuf,application/json", Wanted(protobuf=True)),
        ("application/vnd.kubernetes.protobuf", Wanted(protobuf=True)),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            Wanted("partial", protobuf=True),
        ),
        (f"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,{KUBECTL}", Wanted("table")),
        (KUBECTL, Wanted("table")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Wanted("table", "v1beta1")),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Wanted("partial")),
        ("application/json;as=Foo;v=v1;g=meta.k8s.io, application/json", Wanted()),
        ("application/yaml", Wanted(yaml=True)),
        ("text/html;q=0.9, application/json;q=0.1", Wanted()),
        ("application/yaml;q=0.1, application/json;q=0.9", Wanted()),
    ],
)
def test_forms(header: str, expected: Wanted) -> None:
    assert negotiate(header) == expected


@pytest.mark.parametrize(
    "header",
    ["image/png", "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", "application/json;as=Foo"],
)
def test_what_cannot_be_given(header: str) -> None:
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        negotiate(header)
