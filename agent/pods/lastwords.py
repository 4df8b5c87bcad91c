"""terminationMessagePolicy FallbackToLogsOnError: the end of the log as the message of a container that failed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.pods.model import find_container
from agent.pods.observation import PodObservation
from agent.runtime.protocol import ContainerState, ContainerStatus
from minikube_py.api.types import Object

#: What the API documentation of terminationMessagePolicy promises: 2048 bytes or 80 lines, whichever is smaller.
MAX_BYTES = 2048
MAX_LINES = 80


def mute_failures(pod: Object, seen: PodObservation, known: Mapping[str, str]) -> list[ContainerStatus]:
    """The failed containers whose last words have to be read from their logs. Pure."""
    return [
        status
        for status in seen.containers()
        if status.state is ContainerState.EXITED
        and status.exit_code != 0
        and not status.message
        and status.log_path is not None
        and status.id not in known
        and _falls_back(pod, status.name)
    ]


def _falls_back(pod: Object, name: str) -> bool:
    container = find_container(pod, name)
    return container is not None and container.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"


def last_words(path: Path) -> str:
    """The end of a CRI log as text; "" where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - 16 * 1024, 0))
            lines = log.read().splitlines()
    except OSError:
        return ""
    entries = [line.split(b" ", 3) for line in lines]
    texts = [entry[3] + (b"" if entry[2] == b"P" else b"\n") for entry in entries if len(entry) == 4]
    return b"".join(texts[-MAX_LINES:])[-MAX_BYTES:].decode(errors="replace")


def with_words(seen: PodObservation, words: Mapping[str, str]) -> PodObservation:
    """The observation with these messages filled in, by container id. Pure."""
    if not words:
        return seen
    history = {
        name: tuple(replace(one, message=words[one.id]) if words.get(one.id) else one for one in attempts)
        for name, attempts in seen.history.items()
    }
    return PodObservation(seen.sandboxes, history)
