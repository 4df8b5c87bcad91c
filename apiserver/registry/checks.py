"""The smallest checks, shared by all kinds: each appends what is wrong to ``errors`` and returns nothing.

Paths are the dotted field paths that clients see; they are built on the way down, so a check is handed its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from minikube_py.api import names
from minikube_py.api.fields import FieldError, duplicate, invalid, not_supported, required

Errors = list[FieldError]
Fields = dict[str, Any]

IMMUTABLE = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def check(rule: Callable[[str], list[str]], value: str, path: str, errors: Errors) -> None:
    """Everything a naming rule finds wrong with ``value``."""
    errors.extend(invalid(path, value, text) for text in rule(value))


def child(path: str, name: str) -> str:
    """The path of a field; ``path`` is empty at an object's root."""
    return f"{path}.{name}" if path else name


def require(fields: Fields, name: str, path: str, errors: Errors, detail: str = "") -> bool:
    """That ``fields[name]`` is there and not empty; says whether it is."""
    if fields.get(name):
        return True
    errors.append(required(child(path, name), detail))
    return False


def require_name(
    fields: Fields, name: str, path: str, errors: Errors, rule: Callable[[str], list[str]] = names.dns1123_label
) -> None:
    """That ``fields[name]`` is there and follows a naming rule."""
    if require(fields, name, path, errors):
        check(rule, fields[name], child(path, name), errors)


def nonnegative(fields: Fields, name: str, path: str, errors: Errors) -> None:
    """That a number, if set, is not below zero."""
    value = fields.get(name)
    if value is not None and value < 0:
        errors.append(invalid(f"{path}.{name}", value, NEGATIVE))


def positive(value: int, path: str, errors: Errors) -> None:
    """That a number is above zero."""
    if value <= 0:
        errors.append(invalid(path, value, NOT_POSITIVE))


def one_of(value: Any, choices: Collection[str], path: str, errors: Errors, *, listed: Sequence[str] = ()) -> None:
    """That a value is in an enumeration. Upstream lists some enumerations sorted, some as ``listed``."""
    if value not in choices:
        errors.append(not_supported(path, value, listed or sorted(choices)))


def require_one_of(
    value: Any, choices: Collection[str], path: str, errors: Errors, *, listed: Sequence[str] = ()
) -> None:
    """That a value is there and in an enumeration."""
    if not value:
        errors.append(required(path))
    else:
        one_of(value, choices, path, errors, listed=listed)


def in_range(value: int | None, low: int, high: int, path: str, errors: Errors) -> None:
    """That a number, if set, is in an inclusive range."""
    if value is not None and not low <= value <= high:
        errors.append(invalid(path, value, names.range_message(low, high)))


def file_mode(fields: Fields, name: str, path: str, errors: Errors) -> None:
    """That a file's permission bits, if set, are permission bits."""
    mode = fields.get(name)
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid(f"{path}.{name}", mode, FILE_MODE))


def domain_path(value: str, path: str, errors: Errors) -> None:
    """A domain-prefixed path such as ``acme.io/foo``."""
    host, slash, rest = value.partition("/")
    if not value:
        errors.append(required(path))
    elif not slash or not host or not rest:
        errors.append(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        check(names.dns1123_subdomain, host, path, errors)
        check(names.http_path, rest, path, errors)


def port_number_or_name(port: Any, path: str, errors: Errors) -> None:
    """An IntOrString port."""
    rule: Callable[[Any], list[str]] = names.port_name if isinstance(port, str) else names.port_number
    value = 0 if port is None else port
    errors.extend(invalid(path, value, text) for text in rule(value))


def immutable(new: Any, old: Any, path: str, errors: Errors, detail: str = IMMUTABLE) -> None:
    """That a value did not change."""
    if not same(new, old):
        errors.append(invalid(path, new, detail))


def unique(values: Iterable[Any], path: Callable[[int], str], errors: Errors) -> None:
    """That no value comes twice; ``path`` gives the place of the n-th."""
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if value in seen:
            errors.append(duplicate(path(index), value))
        seen.add(value)


def same(a: Any, b: Any) -> bool:
    """Semantic equality: an empty list or mapping equals an absent one, at any depth."""
    return bool(a == b) or bool(_pruned(a) == _pruned(b))


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        pruned = {key: kept for key, item in value.items() if (kept := _pruned(item)) is not None}
        return pruned or None
    if isinstance(value, list):
        return [_pruned(item) for item in value] or None
    return None if value == "" else value


def without(fields: Fields, *dropped: str) -> Fields:
    """A shallow copy without some fields."""
    return {name: value for name, value in fields.items() if name not in dropped}
