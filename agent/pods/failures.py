"""A container that could not be started, and what its status and its pod's retry make of that."""

from __future__ import annotations


class StartRefused(Exception):
    """``reason`` and ``message`` are shown in the waiting state; ``retry_after`` is in seconds, None for the usual."""

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
