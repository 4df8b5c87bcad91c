"""The base of every configuration: frozen, strict about names and types, read from JSON and written to it.

It answers like a pydantic model of the few features that configurations use. pydantic itself would be the largest thing
that a cluster imports before its first process: a twelfth of the start's processor time and 12 MB of the image that
all parts are forked from, for documents that are read once. (Lessons, which people write, are pydantic's.)
"""

from __future__ import annotations

import functools
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, Union, dataclass_transform

_REQUIRED: Any = object()


class _Field(NamedTuple):
    default: Any
    ge: float | None
    le: float | None


def Field(  # noqa: N802 - it stands where pydantic's stands
    *,
    default: Any = _REQUIRED,
    description: str = "",  # noqa: ARG001 - for the reader of the source
    ge: float | None = None,
    le: float | None = None,
) -> Any:
    """A setting with more to say than its type: ``ge`` and ``le`` are the least and the largest value allowed."""
    return _Field(default, ge, le)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
class Model:
    """Its annotations are its settings: str, int, float, bool, Path, Literal, X | None, tuples, dicts, other models.

    What is given is brought to these types (a str becomes a Path or a number, a list a tuple). Raises ValueError that
    tells all that is wrong: names that do not exist, settings that are missing, values of another type or out of range.
    """

    def __init__(self, **given: Any) -> None:
        kind: Any = type(self)
        settings = _settings_of(kind)
        wrong = [f"{name}: there is no such setting" for name in given if name not in settings]
        for name, value in self._completed(given).items():
            if name in settings:
                self.__dict__[name] = _noting(wrong, name, settings[name], value)
        for name, setting in settings.items():
            if name not in self.__dict__:
                if setting.field.default is _REQUIRED:
                    wrong.append(f"{name}: is required")
                self.__dict__[name] = setting.field.default
        if wrong:
            raise ValueError("; ".join(wrong))
        self._check()

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """``given`` with the defaults that depend on other settings."""
        return given

    def _check(self) -> None:
        """Raises ValueError where the settings do not agree with each other."""

    @classmethod
    def model_validate(cls, told: object) -> Self:
        """The configuration of these settings by name. Raises ValueError."""
        if not isinstance(told, dict):
            raise ValueError("a configuration is an object: settings by their names")
        return cls(**told)

    @classmethod
    def model_validate_json(cls, document: bytes | str) -> Self:
        """The configuration that a JSON document tells. Raises ValueError."""
        return cls.model_validate(json.loads(document))

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """The JSON document that ``model_validate_json`` reads."""
        return json.dumps(self, default=_plain, indent=indent)

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The same with other values for some settings. Raises ValueError as the constructor does."""
        return type(self)(**self.__dict__ | dict(update))

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


class _Setting(NamedTuple):
    kind: Any
    field: _Field


@functools.cache
def _settings_of(model: Any) -> dict[str, _Setting]:
    hints = typing.get_type_hints(model)
    return {name: _Setting(kind, _field(getattr(model, name, _REQUIRED))) for name, kind in hints.items()}


def _field(default: Any) -> _Field:
    return default if isinstance(default, _Field) else _Field(default, None, None)


def _noting(wrong: list[str], name: str, setting: _Setting, value: object) -> Any:
    try:
        found = _as(setting.kind, value)
        _within(setting.field, found)
    except ValueError as error:
        wrong.append(f"{name}: {error}")
        return None
    return found


def _within(field: _Field, value: Any) -> None:
    if field.ge is not None and value < field.ge:
        raise ValueError(f"must be greater than or equal to {field.ge}")
    if field.le is not None and value > field.le:
        raise ValueError(f"must be less than or equal to {field.le}")


def _as(kind: Any, value: Any) -> Any:
    """``value`` as one of the type ``kind``. Raises ValueError."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _as(typing.get_args(kind)[0], value)
    if origin is Literal:
        return _one_of(typing.get_args(kind), value)
    if origin is tuple:
        return _tuple(typing.get_args(kind), value)
    if origin is dict and isinstance(value, dict):
        of_keys, of_values = typing.get_args(kind)
        return {_as(of_keys, key): _as(of_values, each) for key, each in value.items()}
    return _plain_value(origin or kind, value)


def _plain_value(kind: Any, value: Any) -> Any:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    if kind in (int, float) and isinstance(value, (int, str)) and not isinstance(value, bool):
        return kind(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, dict) and issubclass(kind, Model):
        return kind(**value)
    raise ValueError(f"{value!r} is not of the type {getattr(kind, '__name__', kind)}")


def _one_of(allowed: tuple[Any, ...], value: Any) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, allowed))}")
    return value


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{value!r} is not a list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"must have {len(kinds)} values")
    return tuple(_as(kind, each) for kind, each in zip(kinds, value, strict=True))


def _plain(value: object) -> object:
    """What JSON makes of a model or a path."""
    return value.__dict__ if isinstance(value, Model) else os.fspath(typing.cast(Path, value))
