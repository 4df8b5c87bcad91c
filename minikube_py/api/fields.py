"""Field errors: what is wrong with an object, where, in the words of ``apimachinery/pkg/util/validation/field``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from minikube_py.api.errors import Cause, Invalid


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field. ``reason`` is the cause's reason, ``text`` the message after the path."""

    reason: str
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text

    def to_cause(self) -> Cause:
        return Cause(self.reason, self.text, self.field)


def required(field: str, detail: str = "") -> FieldError:
    """The field has no value and must have one."""
    return FieldError("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """The field's value is not of the right form."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {go_value(value)}: {detail}")


def duplicate(field: str, value: Any) -> FieldError:
    """The value must be unique within its list and is not."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {go_value(value)}")


def forbidden(field: str, detail: str) -> FieldError:
    """The field may not be set, or not be changed, here."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def not_found(field: str, value: Any) -> FieldError:
    """The field names something that is not there."""
    return FieldError("FieldValueNotFound", field, f"Not found: {go_value(value)}")


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    """The field's value is outside its enumeration."""
    listing = ", ".join(f'"{choice}"' for choice in supported)
    text = f"Unsupported value: {go_value(value)}"
    return FieldError("FieldValueNotSupported", field, f"{text}: supported values: {listing}" if supported else text)


def too_long(field: str, limit: int) -> FieldError:
    """A string is longer than ``limit`` bytes."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    """A list has more than ``limit`` items."""
    return FieldError("FieldValueTooMany", field, f"Too many: {actual}: must have at most {limit} items")


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    """The field's value is of the wrong JSON type."""
    return FieldError("FieldValueTypeInvalid", field, f"Invalid value: {go_value(value)}: {detail}")


def go_value(value: Any) -> str:
    """A value as Go's ``%#v``-like printer of field errors shows it: strings quoted, scalars bare, the rest as JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def invalid_object(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> Invalid:
    """The 422 that collects ``errors``: "Pod "x" is invalid: …", as ``errors.NewInvalid`` words it."""
    found = list(dict.fromkeys(errors))  # two rules may find the same fault
    qualified = f"{kind}.{group}" if group else kind
    texts = [str(error) for error in found]
    summary = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name, "group": group, "kind": kind}
    return Invalid(
        f'{qualified} "{name}" is invalid: {summary}',
        details={key: value for key, value in details.items() if value},
        causes=[error.to_cause() for error in found],
    )
