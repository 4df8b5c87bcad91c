"""From what a part is told (files, tokens) to what a connection needs (a TLS context, a header)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from minikube_py.config.parts import ApiAccess

#: A bearer token that may change while the program runs; None sends no header.
TokenSource = Callable[[], str | None]


class Credential(Protocol):
    """A bearer token that has to be asked for."""

    async def token(self) -> str:
        """The token to send. Raises StatusError, ConnectionFailed where none is to be had."""
        ...

    def refused(self, token: str) -> None:
        """The server answered 401 to ``token``."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server: its URL, the TLS context (None for plain http) and the bearer token."""

    server: str
    tls: ssl.SSLContext | None = None
    token: TokenSource | None = None


def access_from_config(config: ApiAccess) -> Access:
    """The access a part of the cluster was given. Raises OSError or ssl.SSLError for files that cannot be read."""
    tls = ssl.create_default_context(cafile=str(config.ca)) if config.server.startswith("https") else None
    if tls is not None and config.client is not None:
        tls.load_cert_chain(config.client.certificate, config.client.key)
    return Access(config.server, tls, TokenFile(config.token_file) if config.token_file else None)


class TokenFile:
    """A token kept in a file that somebody else renews; read again whenever the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._token: str | None = None

    def __call__(self) -> str | None:
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._token = self._path.read_text().strip() or None
            self._stamp = stamp
        return self._token


@contextmanager
def in_memory_file(data: bytes) -> Iterator[str]:
    """A path that reads as ``data`` within the block: ssl takes keys by path only, and they stay off disks."""
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
