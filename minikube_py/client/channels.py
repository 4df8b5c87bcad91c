"""Running a command in a pod: the client's end of the ``v5.channel.k8s.io`` WebSocket protocol (KEP-4006).

Every binary message starts with one byte that names its channel. The server closes with a Status on channel 3; a
non-zero exit code is its ``ExitCode`` cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from minikube_py.api import resources
from minikube_py.api.errors import StatusError, from_status
from minikube_py.client.access import Access
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.transport import BROKEN, CONNECT_SECONDS, error_of

SUBPROTOCOL = "v5.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR = 0, 1, 2, 3
_CLOSE = 255


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where."""

    namespace: str
    pod: str
    argv: Sequence[str]
    container: str = ""

    def query(self, *, stdin: bool) -> list[tuple[str, str]]:
        """The query of ``pods/exec`` (PodExecOptions)."""
        pairs = [("command", word) for word in self.argv]
        pairs += [("stdout", "true"), ("stderr", "true"), ("stdin", str(stdin).lower())]
        return pairs + ([("container", self.container)] if self.container else [])


Output = Callable[[bytes], object]


async def execute(access: Access, command: Command, *, stdout: Output, stderr: Output, stdin: bytes = b"") -> int:
    """Runs the command, hands on what it prints as it comes, and returns its exit code.

    Raises StatusErrors for what the server refuses and ConnectionFailed for a broken connection.
    """
    path = resources.PODS.path(command.namespace, command.pod, "exec")
    headers = {"Authorization": f"Bearer {token}"} if access.token and (token := access.token()) else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    asked: dict[str, Any] = {"params": command.query(stdin=bool(stdin)), "ssl": access.tls or True}
    url = access.server.rstrip("/") + path
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        try:
            async with session.ws_connect(url, protocols=(SUBPROTOCOL,), max_msg_size=0, **asked) as socket:
                if stdin:
                    await socket.send_bytes(bytes((_STDIN,)) + stdin)
                    await socket.send_bytes(bytes((_CLOSE, _STDIN)))
                return await _converse(socket, {_STDOUT: stdout, _STDERR: stderr})
        except aiohttp.WSServerHandshakeError as refusal:
            raise await _reason(session, url, asked, refusal) from refusal
        except BROKEN as error:
            raise ConnectionFailed(f"{access.server}: exec: {error}") from error


async def _reason(
    session: aiohttp.ClientSession, url: str, asked: dict[str, Any], refusal: aiohttp.WSServerHandshakeError
) -> StatusError:
    """Asks again without an upgrade: aiohttp throws the body of a refused one away, which says what is wrong."""
    try:
        async with session.get(url, **asked) as answer:
            if answer.status == refusal.status:
                return error_of(answer.status, await answer.read())
    except BROKEN:
        pass
    return error_of(refusal.status, refusal.message.encode())


async def _converse(socket: aiohttp.ClientWebSocketResponse, outputs: dict[int, Output]) -> int:
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == _ERROR:
            return exit_code(orjson.loads(data))
        if data:
            outputs[channel](data)
    raise ConnectionFailed("the connection ended before the command did")


def exit_code(status: dict[str, object]) -> int:
    """The exit code in a closing Status. Raises the StatusError of any other failure."""
    if status.get("status") == "Success":
        return 0
    error = from_status(status)
    for cause in error.causes:
        if cause.reason == "ExitCode":
            return int(cause.message)
    raise error
