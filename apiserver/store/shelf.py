"""Other encodings of a collection's present objects, kept beside the JSON ones as long as there is room.

Readers fill it: a list in protobuf is asked for again and again by every controller, and most objects stay as they are.
What is kept goes with the state that it was made of, so nothing here is ever out of date.
"""

from __future__ import annotations

from typing import Final

#: Bytes that a collection keeps at most: ten thousand pods, but a small part of a hundred thousand.
ROOM: Final = 32 * 1024 * 1024


class Shelf:
    """Encodings by revision, which names one state of one object. A full shelf takes nothing until some is gone."""

    def __init__(self, room: int = ROOM) -> None:
        self._left = room
        self._kept: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, revision: int) -> bytes | None:
        """What is kept of a state."""
        return self._kept.get(revision)

    def put(self, revision: int, data: bytes) -> None:
        """Keep the encoding of a state that is present and not yet here, if there is room."""
        if len(data) <= self._left:
            self._left -= len(data)
            self._kept[revision] = data

    def drop(self, revision: int) -> None:
        """Forget a state that is past."""
        data = self._kept.pop(revision, None)
        if data is not None:
            self._left += len(data)
