"""A few plain calls of the Engine API over its Unix socket, for commands: no SDK and no event loop is started for them.

The agents have a client of their own (``agent/runtime/docker/engine.py``), for streams and many calls at once.
"""

from __future__ import annotations

import grp
import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

_API: Final = "/v1.41"


class NoEngine(Exception):
    """No usable Docker engine; the message says why, and nothing of what to do instead."""


class EngineAPI:
    """One call at a time, each over a connection of its own that waits ``seconds`` for its answer.

    Every method raises NoEngine where the engine does not answer, or refuses.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    def get(self, path: str, /, **query: Any) -> Any:
        """The answer's JSON."""
        status, data = self._call("GET", path, query)
        try:
            told = json.loads(data)
        except ValueError:
            raise NoEngine(f"what listens at {self._path} is no Docker engine") from None
        self._check(status, data)
        return told

    def file(self, path: str, /, **query: Any) -> bytes | None:
        """The answer as it is; None for what is not there."""
        status, data = self._call("GET", path, query)
        if status != 404:
            self._check(status, data)
        return None if status == 404 else data

    def post(self, path: str, body: bytes = b"", /, **query: Any) -> bytes:
        """Harmless where the state is the wanted one already (304). ``body`` is a tar archive."""
        status, data = self._call("POST", path, query, body)
        self._check(status, data)
        return data

    def delete(self, path: str, /, **query: Any) -> None:
        """Harmless for what is gone, is going, or is in use by somebody else (404, 409)."""
        status, data = self._call("DELETE", path, query)
        if status not in (404, 409):
            self._check(status, data)

    def _check(self, status: int, data: bytes) -> None:
        if status >= 400:
            try:
                words = json.loads(data)["message"]
            except (ValueError, KeyError, TypeError):
                words = data.decode(errors="replace").strip()
            raise NoEngine(f"the Docker engine at {self._path} refuses: {words}")

    def _call(self, method: str, path: str, query: Mapping[str, Any], body: bytes = b"") -> tuple[int, bytes]:
        values = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()}
        connection = _UnixHTTP("docker", timeout=self._seconds)
        connection.path = self._path
        headers = {"Content-Type": "application/x-tar"} if body else {}
        try:
            connection.request(method, f"{_API}{path}?{urlencode(values)}", body=body or None, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        except PermissionError as error:
            raise NoEngine(f"the Docker engine at {self._path} is for {_owners(self._path)} only") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoEngine(f"the Docker engine at {self._path} does not answer: {error}") from error
        finally:
            connection.close()


class _UnixHTTP(http.client.HTTPConnection):
    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def _owners(path: Path) -> str:
    """Who may use the socket, as a message names them."""
    try:
        return f"root and the group {grp.getgrgid(os.stat(path).st_gid).gr_name}"
    except (OSError, KeyError):
        return "others"
