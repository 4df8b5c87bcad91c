"""What can go wrong on the road to an API server, as against what the server itself refuses (``api.errors``)."""

from __future__ import annotations


class ConnectionFailed(Exception):
    """No answer: the server cannot be reached, or the connection broke before the answer was whole.

    A write may or may not have happened. The message names the server and the cause.
    """
