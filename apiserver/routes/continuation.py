"""Continue tokens: where the next page of a list starts and at which revision, in upstream's own form."""

from __future__ import annotations

import base64
import binascii
import posixpath
from typing import NamedTuple

import orjson

from minikube_py.api.errors import BadRequest

_VERSION = "meta.k8s.io/v1"


class Continuation(NamedTuple):
    """The next page begins after key ``after``, at ``revision`` (-1: at the newest)."""

    after: str
    revision: int


def encode_continue(last: str, revision: int) -> str:
    """The token of the page after ``last``: a key that sorts directly behind it."""
    token = orjson.dumps({"v": _VERSION, "rv": revision, "start": f"{last}\0"})
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def decode_continue(token: str) -> Continuation:
    """Read a token. Raises BadRequest in upstream's words."""
    try:
        fields = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _refused(f"continue key is not valid: {error}") from None
    if not isinstance(fields, dict) or fields.get("v") != _VERSION:
        version = fields.get("v", "") if isinstance(fields, dict) else ""
        raise _refused(f"continue key is not valid: server does not recognize this encoded version {version}")
    revision, start = fields.get("rv"), fields.get("start")
    if not isinstance(revision, int) or revision == 0:
        raise _refused("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not isinstance(start, str) or not start:
        raise _refused("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")
    absolute = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(absolute) != absolute:
        raise _refused(f"continue key is not valid: {start}")
    return Continuation(absolute[1:].removesuffix("\0"), revision)


def _refused(reason: str) -> BadRequest:
    return BadRequest(f"invalid continue token: {reason}")
