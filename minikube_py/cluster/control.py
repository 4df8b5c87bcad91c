"""The supervisor's control socket: one JSON line in, one JSON line out.

Whoever may open the socket (mode 0600) owns the cluster anyway, so there is no further authentication.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Handler = Callable[[str, dict[str, Any]], Answer]

_LONGEST_LINE = 64 * 1024
_TIMEOUT_SECONDS = 10.0


class ClusterNotRunning(Exception):
    """Nobody listens on the control socket."""


class ControlRefused(Exception):
    """The supervisor understood and said no."""


def ask(path: Path, command: str, **arguments: Any) -> Answer:
    """Sends a command and returns the answer. Raises ClusterNotRunning, ControlRefused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(_LONGEST_LINE)
        except OSError as error:
            raise ClusterNotRunning(str(error)) from error
    if not line:
        raise ClusterNotRunning("the supervisor hung up")
    answer: Answer = json.loads(line)
    if "refused" in answer:
        raise ControlRefused(str(answer["refused"]))
    return answer


class ControlServer:
    """The listening side, served from the supervisor's select loop: call ``serve`` when ``listener`` is readable."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen(8)

    def serve(self) -> None:
        """Answer one client. A client that is slow or gone costs a second at most and nothing else."""
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                with connection.makefile("rb") as lines:
                    answer = self._answer(lines.readline(_LONGEST_LINE))
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass  # the asker is gone: there is nobody to tell

    def close(self) -> None:
        self.listener.close()
        self._path.unlink(missing_ok=True)

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            command, arguments = str(request["command"]), dict(request.get("arguments") or {})
        except (ValueError, KeyError, TypeError):
            return {"refused": "not a command"}
        try:
            return self._handler(command, arguments)
        except ControlRefused as refusal:
            return {"refused": str(refusal)}
