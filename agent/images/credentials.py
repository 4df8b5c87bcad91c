"""Which of a pod's pull secrets are for an image, as the kubelet's keyring chooses them. Pure.

Source: "Images", section "Interpretation of config.json" (kubernetes.io): hosts may hold globs, label by label; a path
is a prefix; the most specific entry comes first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from minikube_py.api.types import Object

_HUB: Final = "docker.io"
_HUB_NAMES: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of a registry. ``server`` is the entry's own name, ``secret`` that of the Secret with its uid."""

    username: str
    password: str
    server: str
    secret: str = ""

    @property
    def digest(self) -> str:
        """What can be kept of them: equal for equal credentials."""
        return hashlib.sha256(json.dumps([self.username, self.password, self.server]).encode()).hexdigest()


def credentials_for(image: str, secrets: Sequence[Object]) -> list[Credentials]:
    """What the secrets (kubernetes.io/dockerconfigjson, …/dockercfg) hold for a canonical image name."""
    found = [
        (server, Credentials(*_login(entry), server, _source(secret)))
        for secret in secrets
        for server, entry in _auths(secret).items()
        if _matches(server, image)
    ]
    return [login for _, login in sorted(found, key=lambda pair: len(pair[0]), reverse=True)]


def _source(secret: Object) -> str:
    """Which Secret it is; "" for one that no API server has given a uid."""
    told = secret.get("metadata") or {}
    return f"{told.get('namespace')}/{told.get('name')}/{told['uid']}" if told.get("uid") else ""


def _matches(server: str, image: str) -> bool:
    host, _, path = server.removeprefix("https://").removeprefix("http://").partition("/")
    wanted, _, repository = image.partition("/")
    if wanted == _HUB and host in _HUB_NAMES:
        return True  # …/v1/ of the hub is no path
    path = path.removesuffix("/")
    if path in ("v1", "v2"):
        path = ""
    return _same_host(host, wanted) and (not path or repository.startswith(path))


def _same_host(pattern: str, host: str) -> bool:
    pattern, _, pattern_port = pattern.partition(":")
    host, _, port = host.partition(":")
    labels, globs = host.split("."), pattern.split(".")
    if port != pattern_port or len(labels) != len(globs):
        return False
    return all(fnmatchcase(label, glob) for label, glob in zip(labels, globs, strict=True))


def _auths(secret: Object) -> dict[str, Any]:
    data = secret.get("data") or {}
    for key, nested in ((".dockerconfigjson", True), (".dockercfg", False)):
        try:
            document = json.loads(base64.b64decode(data.get(key) or ""))
        except (ValueError, binascii.Error):
            continue
        auths = document.get("auths") if nested and isinstance(document, dict) else document
        if isinstance(auths, dict):
            return {server: entry for server, entry in auths.items() if isinstance(entry, dict)}
    return {}


def _login(entry: Mapping[str, Any]) -> tuple[str, str]:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not user and entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (ValueError, binascii.Error):
            pass
    return user, password
