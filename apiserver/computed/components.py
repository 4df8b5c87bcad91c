"""ComponentStatuses: how the control plane's other parts are, asked when somebody wants to know.

Deprecated upstream since 1.19 and still there (``pkg/registry/core/componentstatus``).
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from minikube_py.api.resources import COMPONENTSTATUSES
from minikube_py.api.types import Object

_PATIENCE_SECONDS = 5.0

#: What is wrong with the store, "" where nothing is.
Check = Callable[[], str]


class ComponentStatuses:
    """``urls`` are the health endpoints by component; ``store`` stands for what upstream keeps in etcd."""

    def __init__(self, urls: Mapping[str, str], *, store: Check) -> None:
        self._urls = dict(sorted(urls.items()))
        self._store = store

    async def statuses(self, namespace: str, name: str) -> list[Object]:
        """All of them, or the one of this name."""
        del namespace
        names = [each for each in self._urls if name in ("", each)]
        found = list(await asyncio.gather(*(self._of(each) for each in names)))
        if name in ("", "etcd-0"):
            problem = self._store()
            found.append(_status("etcd-0", "" if problem else "ok", problem))
        return found

    async def _of(self, name: str) -> Object:
        try:
            answer = await asyncio.to_thread(_get, self._urls[name])
        except (OSError, http.client.HTTPException) as error:
            return _status(name, f'Get "{self._urls[name]}": {error}', "")
        return _status(name, answer, "")


def _get(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().read(1024).decode("utf-8", "replace")
    finally:
        connection.close()


def _status(name: str, message: str, error: str) -> Object:
    healthy = {"type": "Healthy", "status": "True" if message == "ok" else "False"}
    words = {key: text for key, text in (("message", message), ("error", error)) if text}
    return {
        "kind": COMPONENTSTATUSES.kind,
        "apiVersion": COMPONENTSTATUSES.api_version,
        "metadata": {"name": name},
        "conditions": [healthy | words],
    }
