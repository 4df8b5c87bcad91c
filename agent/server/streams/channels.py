"""Numbered byte streams between a client and a command, whatever carries them.

The numbers are those of the remote-command protocols (KEP-4006): 0 stdin, 1 stdout, 2 stderr, 3 the final Status,
4 terminal sizes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)


class Input(NamedTuple):
    """Something from the client: bytes of a channel, or (``data`` None) its end."""

    channel: int
    data: bytes | None


class ClientGone(Exception):
    """The client is not there any more."""


class Channels(Protocol):
    """The client's side of a command."""

    def inputs(self) -> AsyncIterator[Input]:
        """What comes from the client, until it goes away."""
        ...

    async def send(self, channel: int, data: bytes) -> None:
        """Waits while the client does not read. Raises ClientGone."""
        ...

    async def close(self) -> None:
        """Say that nothing more comes, after the final Status."""
        ...
