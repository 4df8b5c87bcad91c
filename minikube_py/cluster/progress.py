"""What the supervisor tells the waiting ``minik up``: one JSON line a step, over a pipe.

The pipe's end without a closing line means that the supervisor died. Nobody waits for the reader: a person may press
Ctrl-C on ``up`` and the cluster comes up all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO, Literal

#: started: the last step of the making, only the nodes are waited for now
Kind = Literal["step", "started", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One line: a step that is done, or how it all ended."""

    kind: Kind
    text: str


def counted_nodes(count: int) -> str:
    """``1 node``, ``3 nodes``."""
    return "1 node" if count == 1 else f"{count} nodes"


def all_ready(count: int) -> str:
    """The closing line of a cluster of ``count`` nodes."""
    return f"{counted_nodes(count)} {'is' if count == 1 else 'are'} Ready"


class ProgressWriter:
    """The supervisor's end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._open = True

    def step(self, text: str) -> None:
        self._say(Progress("step", text))

    def started(self, text: str) -> None:
        self._say(Progress("started", text))

    def ready(self, text: str) -> None:
        self._say(Progress("ready", text))
        self.close()

    def failed(self, text: str) -> None:
        self._say(Progress("failed", text))
        self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.descriptor)

    def _say(self, progress: Progress) -> None:
        if not self._open:
            return
        try:
            os.write(self.descriptor, json.dumps(asdict(progress)).encode() + b"\n")
        except BrokenPipeError:
            self.close()


def read_progress(pipe: IO[bytes]) -> Iterator[Progress]:
    """The lines until the pipe ends; the caller sees from the last one's kind whether all went well."""
    for line in pipe:
        fields = json.loads(line)
        yield Progress(fields["kind"], fields["text"])
