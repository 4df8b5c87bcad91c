"""A Docker engine that is a script: it answers what it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any, Self


class ScriptedEngine:
    """``answers``: path -> (status, JSON or bytes); 404 for other paths. ``asked``: "METHOD path", in order."""

    def __init__(self, path: Path, answers: dict[str, tuple[int, Any]]) -> None:
        self.path = path
        self.answers = answers
        self.asked: list[str] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plain = self.path.removeprefix("/v1.41").partition("?")[0]
                script.asked.append(f"{self.command} {plain}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = script.answers.get(plain, (404, {"message": "no such thing"}))
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_DELETE = do_POST = do_GET  # noqa: N815 - the standard library's name

            def address_string(self) -> str:
                return "engine"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = UnixStreamServer(str(path), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def did(self, method: str) -> list[str]:
        """The paths that were asked with ``method``."""
        return [line.partition(" ")[2] for line in self.asked if line.startswith(method)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
