"""When a signing request has served: who asks for certificates by machine leaves one behind at every renewal.

The times are those of ``pkg/controller/certificates/cleaner``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from minikube_py.api.meta import parse_time
from minikube_py.api.types import Object

_SETTLED = timedelta(hours=1)
_WAITING = timedelta(hours=24)


def expires_at(request: Object) -> datetime | None:
    """When the request may be deleted; None where that is open."""
    return min(_deadlines(request), default=None)


def _deadlines(request: Object) -> Iterator[datetime]:
    status = request.get("status") or {}
    conditions, issued = status.get("conditions") or (), bool(status.get("certificate"))
    if not conditions:
        yield parse_time(request["metadata"]["creationTimestamp"]) + _WAITING
    for condition in conditions:
        since = condition.get("lastUpdateTime")
        if since and condition.get("type") in ("Approved", "Denied", "Failed"):
            waiting = condition["type"] == "Approved" and not issued
            yield parse_time(since) + (_WAITING if waiting else _SETTLED)
        if issued and condition.get("type") == "Approved":
            yield from _end_of(status["certificate"])


def _end_of(encoded: str) -> Iterator[datetime]:
    try:
        yield x509.load_pem_x509_certificate(base64.b64decode(encoded)).not_valid_after_utc
    except ValueError:
        return
