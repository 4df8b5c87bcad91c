"""JSON text as Go's decoder reads it: the words of its syntax errors, and the duplicate fields that strictness names.

orjson parses every body; this module is asked only where orjson refused one, or where a body repeats a field.
Wording: ``encoding/json`` (scanner.go) and ``sigs.k8s.io/json``.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

END_OF_INPUT = "unexpected end of JSON input"
TOO_DEEP = "exceeded max depth"
_CERTAINLY_SHALLOW = 200
_MOST_REPORTS = 100
_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING_BODY = re.compile(rb'(?:[^"\\\x00-\x1f]+|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
#: A string, and whether a colon makes it a key. Scanning string by string keeps quotes paired.
_STRINGS = re.compile(rb'"(?:[^"\\]+|\\.)*"([ \t\r\n]*:)?', re.DOTALL)


class SyntaxProblem(Exception):
    """The text is not JSON. The message is Go's."""


def parse(body: bytes) -> Any:
    """The value of a JSON text; of repeated keys the last one holds. Raises SyntaxProblem."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_loosely(body)
    if body.count(b"{") + body.count(b"[") > _CERTAINLY_SHALLOW:
        check_writable(value)
    return value


def _parse_loosely(body: bytes) -> Any:
    """What Go reads and orjson does not: broken UTF-8 and lone surrogates, which become U+FFFD."""
    explain_syntax(body)
    try:
        value = json.loads(body.decode("utf-8", "replace"))
        text = json.dumps(value, ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise SyntaxProblem(TOO_DEEP) from None


def check_writable(value: Any) -> None:
    """Refuse what could be read and not be written again: orjson writes 254 levels. Raises SyntaxProblem."""
    try:
        orjson.dumps(value)
    except TypeError:
        raise SyntaxProblem(TOO_DEEP) from None


def explain_syntax(body: bytes) -> None:
    """Raise SyntaxProblem in Go's words where the text is not JSON."""
    scanner = _Scanner(body)
    scanner.run()


class _Scanner:
    """Walks the text without recursion: hostile input may nest a million times."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._open: list[int] = []

    def run(self) -> None:
        self._value()
        while True:
            character = self._skip()
            if not self._open:
                if character is None:
                    return
                raise self._unexpected("after top-level value")
            if self._open[-1] == ord("{"):
                self._after_member(character)
            else:
                self._after_element(character)

    def _after_member(self, character: int | None) -> None:
        if character == ord(","):
            self._at += 1
            self._key()
        elif character == ord("}"):
            self._close()
        else:
            raise self._unexpected("after object key:value pair")

    def _after_element(self, character: int | None) -> None:
        if character == ord(","):
            self._at += 1
            self._value()
        elif character == ord("]"):
            self._close()
        else:
            raise self._unexpected("after array element")

    def _close(self) -> None:
        self._open.pop()
        self._at += 1

    def _skip(self) -> int | None:
        match = _SPACE.match(self._body, self._at)
        assert match is not None
        self._at = match.end()
        return self._body[self._at] if self._at < len(self._body) else None

    def _value(self) -> None:
        """Up to the end of a scalar or an empty container, or just past the first opening that has content."""
        while True:
            character = self._skip()
            if character == ord("{"):
                if self._opened("}"):
                    return
                self._key(first=True)
            elif character == ord("["):
                if self._opened("]"):
                    return
            else:
                self._scalar(character)
                return

    def _opened(self, closing: str) -> bool:
        opening = self._body[self._at]
        self._at += 1
        if self._skip() == ord(closing):
            self._at += 1
            return True
        self._open.append(opening)
        return False

    def _key(self, *, first: bool = False) -> None:
        if self._skip() != ord('"'):
            raise self._unexpected("looking for beginning of object key string")
        self._string()
        if self._skip() != ord(":"):
            raise self._unexpected("after object key")
        self._at += 1
        if not first:
            self._value()

    def _scalar(self, character: int | None) -> None:
        if character == ord('"'):
            self._string()
        elif character in _LITERALS:
            self._literal(_LITERALS[character])
        elif character is not None and (character == ord("-") or 48 <= character <= 57):
            self._number()
        else:
            raise self._unexpected("looking for beginning of value")

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._at >= len(self._body) or self._body[self._at] != expected:
                raise self._unexpected(f"in literal {word.decode()} (expecting {chr(expected)!r})")
            self._at += 1

    def _string(self) -> None:
        match = _STRING_BODY.match(self._body, self._at + 1)
        assert match is not None
        self._at = match.end()
        character = self._body[self._at] if self._at < len(self._body) else None
        if character == ord('"'):
            self._at += 1
        elif character == ord("\\"):
            self._bad_escape()
        else:
            raise self._unexpected("in string literal")

    def _bad_escape(self) -> None:
        self._at += 1
        if self._body[self._at : self._at + 1] != b"u":
            raise self._unexpected("in string escape code")
        self._at += 1
        while self._body[self._at : self._at + 1] in tuple(b"%c" % digit for digit in b"0123456789abcdefABCDEF"):
            self._at += 1
        raise self._unexpected("in \\u hexadecimal character escape")

    def _number(self) -> None:
        if self._body[self._at] == ord("-"):
            self._at += 1
        if self._body[self._at : self._at + 1] == b"0":
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._body[self._at : self._at + 1] == b".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._body[self._at : self._at + 1] in (b"e", b"E"):
            self._at += 1
            if self._body[self._at : self._at + 1] in (b"+", b"-"):
                self._at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, context: str) -> None:
        match = re.compile(rb"[0-9]+").match(self._body, self._at)
        if match is None:
            raise self._unexpected(context)
        self._at = match.end()

    def _unexpected(self, context: str) -> SyntaxProblem:
        if self._at >= len(self._body):
            return SyntaxProblem(END_OF_INPUT)
        return SyntaxProblem(f"invalid character {_quoted(self._body[self._at])} {context}")


def _quoted(character: int) -> str:
    if character == ord("'"):
        return r"'\''"
    if character == ord('"'):
        return "'\"'"
    special = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 92: "\\\\"}
    if character in special:
        return f"'{special[character]}'"
    if character < 32 or 127 <= character < 161:
        return f"'\\x{character:02x}'" if character < 128 else f"'\\u{character:04x}'"
    return f"'{chr(character)}'"


def may_repeat_fields(body: bytes, value: Any) -> bool:
    """Whether an object in the text has a key twice: cheap for the compact form that most clients send."""
    compact = orjson.dumps(value)
    if compact == body or (b"\\u" not in body and compact.count(b'"') == body.count(b'"')):
        return False  # every key that was written twice would have brought two quotes more
    written = sum(1 for match in _STRINGS.findall(body) if match)
    return written != _count_keys(value)


def _count_keys(value: Any) -> int:
    if value.__class__ is dict:
        return len(value) + sum(_count_keys(item) for item in value.values() if item.__class__ in (dict, list))
    return sum(_count_keys(item) for item in value if item.__class__ in (dict, list)) if value.__class__ is list else 0


class Repeated(dict[str, Any]):
    """An object whose text had the keys ``again`` more than once."""

    again: frozenset[str] = frozenset()


def parse_noting_repeats(body: bytes) -> Any:
    """Like ``parse``, with objects that repeat a key as ``Repeated``. Slow: only for bodies that do."""

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) == len(made := dict(pairs)):
            return made
        seen: set[str] = set()
        repeated = Repeated(made)
        repeated.again = frozenset(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return repeated

    return json.loads(body, object_pairs_hook=note)


def repeated_fields(value: Any, path: str = "") -> list[str]:
    """``duplicate field "spec.replicas"`` for repeated keys in what ``parse_noting_repeats`` returned, at most 100."""
    found: list[str] = []
    _collect_repeated(value, path, found)
    return found


def _collect_repeated(value: Any, path: str, found: list[str]) -> None:
    if len(found) >= _MOST_REPORTS:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            place = f"{path}.{key}" if path else key
            if isinstance(value, Repeated) and key in value.again and len(found) < _MOST_REPORTS:
                found.append(f'duplicate field "{place}"')
            if isinstance(item, dict | list):
                _collect_repeated(item, place, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect_repeated(item, f"{path}[{index}]", found)
