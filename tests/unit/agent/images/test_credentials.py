"""Credentials of pull secrets."""

from __future__ import annotations

import base64
import json
from typing import Any

from agent.images.credentials import credentials_for


def _secret(key: str, document: Any) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(json.dumps(document).encode()).decode()}}


def test_credentials_are_found_by_registry() -> None:
    auth = base64.b64encode(b"ann:secret").decode()
    secrets = [
        {"data": {".dockerconfigjson": "%%%"}},
        _secret(".dockerconfigjson", {"auths": {"https://reg.io:5000/v2/": {"auth": auth}, "other": {"auth": auth}}}),
        _secret(".dockercfg", {"reg.io:5000": {"username": "bob", "password": "pw"}}),
        _secret(".dockerconfigjson", {"auths": {"https://index.docker.io/v1/": {"username": "hub", "password": "x"}}}),
    ]
    found = credentials_for("reg.io:5000/a/b:1", secrets)
    assert [(each.username, each.password) for each in found] == [("ann", "secret"), ("bob", "pw")]
    assert [each.username for each in credentials_for("docker.io/library/nginx:1", secrets)] == ["hub"]
