"""One hierarchy for everything the API can refuse, rendered to a ``metav1.Status`` here and parsed back here.

Reasons and codes are those of ``k8s.io/apimachinery/pkg/api/errors``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of ``details.causes``: a machine-readable reason, a message and the field it is about."""

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> dict[str, str]:
        body = {"reason": self.reason, "message": self.message}
        if self.field:
            body["field"] = self.field
        return body


class StatusError(Exception):
    """A refusal by the API. Subclasses fix ``code`` and ``reason``; the message is for people.

    ``details`` that are given are shown, even empty ones: upstream's generic refusals have those.
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Iterable[Cause] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self._detailed = details is not None
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds
        #: What the client is told in ``Warning`` headers besides.
        self.warnings: tuple[str, ...] = ()

    def to_status(self) -> Object:
        """The ``metav1.Status`` that a client sees."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.status_reason:
            status["reason"] = self.status_reason
        details = dict(self.details)
        if self.causes:
            details["causes"] = [cause.to_json() for cause in self.causes]
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
        if details or self._detailed:
            status["details"] = details
        status["code"] = self.status_code
        return status

    @property
    def status_code(self) -> int:
        """The HTTP status code."""
        return self.code

    @property
    def status_reason(self) -> str:
        """The machine-readable reason, "" where upstream sends none."""
        return self.reason


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"

    def __init__(
        self, message: str = "the server does not allow this method on the requested resource", **kwargs: Any
    ) -> None:
        kwargs.setdefault("details", {})
        super().__init__(message, **kwargs)


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class Gone(StatusError):
    """The revision asked for has left the history (watch ERROR events and ancient lists)."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    code, reason = 422, "Invalid"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class NotImplementedByServer(StatusError):
    """Known to Kubernetes, not built here: said honestly rather than passed over in silence."""

    code, reason = 501, "NotImplemented"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


class OtherStatus(StatusError):
    """A Status whose reason this program has no class for; keeps the code and reason it came with."""

    def __init__(self, message: str, *, code: int, reason: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self._code = code
        self._reason = reason

    @property
    def status_code(self) -> int:
        return self._code

    @property
    def status_reason(self) -> str:
        return self._reason


_BY_REASON: dict[str, type[StatusError]] = {
    cls.reason: cls
    for cls in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        AlreadyExists,
        Conflict,
        Gone,
        RequestEntityTooLarge,
        UnsupportedMediaType,
        Invalid,
        TooManyRequests,
        InternalError,
        NotImplementedByServer,
        ServiceUnavailable,
        Timeout,
    )
}


def from_status(status: Mapping[str, Any], *, http_code: int = 500) -> StatusError:
    """The error a ``metav1.Status`` describes: the exact inverse of ``StatusError.to_status``."""
    details = dict(status.get("details") or {})
    causes = [
        Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
        for cause in details.pop("causes", None) or ()
    ]
    retry_after = details.pop("retryAfterSeconds", None)
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or reason or f"HTTP {http_code}")
    code = int(status.get("code") or http_code)
    common: dict[str, Any] = {"details": details, "causes": causes, "retry_after_seconds": retry_after}
    known = _BY_REASON.get(reason)
    if known is not None and known.code == code:
        return known(message, **common)
    return OtherStatus(message, code=code, reason=reason, **common)
