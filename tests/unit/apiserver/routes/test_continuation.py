"""Continue tokens."""

from __future__ import annotations

import base64

import pytest

from apiserver.routes.continuation import Continuation, decode_continue, encode_continue
from minikube_py.api.errors import BadRequest


def test_a_token_is_upstreams_and_comes_back() -> None:
    token = encode_continue("default/pg0", 96)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert raw == b'{"v":"meta.k8s.io/v1","rv":96,"start":"default/pg0\\u0000"}'
    assert decode_continue(token) == Continuation("default/pg0", 96)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"v":"meta.k8s.io/v2","rv":5,"start":"a"}',
        b'{"v":"meta.k8s.io/v1","rv":0,"start":"a"}',
        b'{"v":"meta.k8s.io/v1","rv":5,"start":""}',
        b'{"v":"meta.k8s.io/v1","rv":5,"start":"../../secrets/x"}',
        b'{"v":"meta.k8s.io/v1","rv":"5","start":"a"}',
    ],
)
def test_forged_tokens_are_refused(fields: bytes) -> None:
    with pytest.raises(BadRequest, match="continue key is not valid"):
        decode_continue(base64.urlsafe_b64encode(fields).decode().rstrip("="))
