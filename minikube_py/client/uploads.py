"""Sending a file too large for memory, through the API server to a node's own endpoint."""

from __future__ import annotations

import os
from typing import IO, Any

import aiohttp
import orjson

from minikube_py.client.access import Access
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.transport import BROKEN, CONNECT_SECONDS, error_of

_TYPE = "application/x-tar"


async def upload(access: Access, path: str, file: IO[bytes]) -> Any:
    """POSTs the file from where it stands, as it is read, and returns the parsed answer. The file stays open.

    Raises StatusErrors and ConnectionFailed.
    """
    headers = {"Content-Type": _TYPE}
    if access.token is not None and (token := access.token()):
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        try:
            url = access.server.rstrip("/") + path
            own = os.fdopen(os.dup(file.fileno()), "rb")  # aiohttp closes what it sends
            async with session.post(url, data=own, ssl=access.tls or True) as response:
                answer = await response.read()
        except BROKEN as error:
            raise ConnectionFailed(f"{access.server}: {error}") from error
    if response.status >= 400:
        raise error_of(response.status, answer)
    return orjson.loads(answer)
