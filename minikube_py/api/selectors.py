"""Label and field selectors: parsed once, matched often.

The grammar, the words of its errors and the canonical string form are those of ``apimachinery/pkg/labels`` and
``apimachinery/pkg/fields``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from minikube_py.api import names
from minikube_py.api.errors import BadRequest
from minikube_py.api.fields import go_value


class Operator(StrEnum):
    """How a requirement compares; the values are the query form's own words."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = "gt"
    LESS_THAN = "lt"


_POSITIVE = frozenset({Operator.IN, Operator.EQUALS, Operator.DOUBLE_EQUALS})
_NEGATIVE = frozenset({Operator.NOT_IN, Operator.NOT_EQUALS})
_SIGNS = {Operator.GREATER_THAN: ">", Operator.LESS_THAN: "<"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. ``values`` is sorted and free of duplicates."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` satisfy it; a missing label satisfies the negative operators."""
        value = labels.get(self.key)
        operator = self.operator
        if operator in _POSITIVE:
            return value is not None and value in self.values
        if operator in _NEGATIVE:
            return value is None or value not in self.values
        if operator is Operator.EXISTS:
            return value is not None
        if operator is Operator.DOES_NOT_EXIST:
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        number = _int64(value) if value is not None else None
        limit = _int64(self.values[0])
        if number is None or limit is None:
            return False
        return number > limit if self.operator is Operator.GREATER_THAN else number < limit

    def __str__(self) -> str:
        if self.operator is Operator.EXISTS:
            return self.key
        if self.operator is Operator.DOES_NOT_EXIST:
            return f"!{self.key}"
        if self.operator in (Operator.IN, Operator.NOT_IN):
            return f"{self.key} {self.operator} ({','.join(self.values)})"
        return f"{self.key}{_SIGNS.get(self.operator, self.operator)}{','.join(self.values)}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold. ``nothing`` marks the selector that no object satisfies (a null selector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        for requirement in self.requirements:  # noqa: SIM110 - all() over a generator doubles the cost per watch event
            if not requirement.matches(labels):
                return False
        return True

    @property
    def everything(self) -> bool:
        """Whether it selects every object."""
        return not self.nothing and not self.requirements

    def exact(self, key: str) -> str | None:
        """The single value that the label ``key`` must have, where there is one: for an index over labels."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.operator in _POSITIVE and len(requirement.values) == 1:
                return requirement.values[0]
        return None

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector of a plain map (Service, ReplicationController): every label equal; an empty map takes all."""
    ordered = sorted((labels or {}).items())
    return LabelSelector(tuple(Requirement(key, Operator.EQUALS, (value,)) for key, value in ordered))


_EXPRESSION_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}


def label_selector_of(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A ``metav1.LabelSelector`` object: None selects nothing, {} everything. Raises BadRequest."""
    if selector is None:
        return NOTHING
    found = [_requirement(key, Operator.EQUALS, [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        word = str(expression.get("operator") or "")
        operator = _EXPRESSION_OPERATORS.get(word)
        if operator is None:
            raise BadRequest(f"{go_value(word)} is not a valid label selector operator")
        found.append(_requirement(str(expression.get("key") or ""), operator, expression.get("values") or ()))
    return LabelSelector(tuple(sorted(found, key=lambda requirement: requirement.key)))


def parse_label_selector(text: str) -> LabelSelector:
    """A ``labelSelector`` query parameter. Raises BadRequest in kube-apiserver's words."""
    if not text:
        return EVERYTHING
    requirements = _LabelParser(text).parse()
    return LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def _requirement(key: str, operator: Operator, values: Iterable[str]) -> Requirement:
    """A checked requirement, as ``labels.NewRequirement`` checks it."""
    given = list(values)
    faults = [*_key_faults(key, "key"), *_count_faults(operator, given)]
    for index, value in enumerate(given):
        if messages := names.label_value(value):
            faults.append(_invalid(f"values[{index}][{key}]", value, "; ".join(messages)))
    if faults:
        raise BadRequest(faults[0] if len(faults) == 1 else f"[{', '.join(dict.fromkeys(faults))}]")
    return Requirement(key, operator, tuple(sorted(set(given))))


def _invalid(path: str, value: object, detail: str) -> str:
    return f"{path}: Invalid value: {go_value(value)}: {detail}"


def _key_faults(key: str, path: str) -> list[str]:
    messages = names.qualified_name(key)
    return [_invalid(path, key, "; ".join(messages))] if messages else []


def _count_faults(operator: Operator, values: Sequence[str]) -> list[str]:
    if operator in (Operator.IN, Operator.NOT_IN):
        wrong, detail = not values, "for 'in', 'notin' operators, values set can't be empty"
    elif operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST):
        wrong, detail = bool(values), "values set must be empty for exists and does not exist"
    elif operator in _SIGNS:
        wrong, detail = len(values) != 1, "for 'Gt', 'Lt' operators, exactly one value is required"
        if not wrong and _int64(values[0]) is None:
            return [_invalid("values[0]", values[0], "for 'Gt', 'Lt' operators, the value must be an integer")]
    else:
        wrong, detail = len(values) != 1, "exact-match compatibility requires one single value"
    return [_invalid("values", list(values), detail)] if wrong else []


_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def _int64(text: str) -> int | None:
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


class _Token(NamedTuple):
    """A lexed piece: ``kind`` is "id", "end", "error", or the symbol or word itself."""

    kind: str
    literal: str


_SYMBOLS = frozenset("=!(),><")
_KEYWORDS = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_PIECES = re.compile(r"(?P<space>[ \t\r\n]+)|(?P<symbols>[=!(),><]+)|(?P<word>[^=!(),>< \t\r\n]+)")
_BINARY = {
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
    "=": Operator.EQUALS,
    "==": Operator.DOUBLE_EQUALS,
    "!=": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
}
_BINARY_WORDS = "in, notin, =, ==, !=, gt, lt"


def _lex(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for piece in _PIECES.finditer(text):
        if piece["symbols"]:
            tokens += _lex_symbols(piece["symbols"])
        elif piece["word"]:
            word = piece["word"]
            tokens.append(_Token(word if word in _KEYWORDS else "id", word))
    return [*tokens, _Token("end", "")]


def _lex_symbols(run: str) -> list[_Token]:
    """The longest known symbol at each place: ``!=`` before ``!``."""
    tokens: list[_Token] = []
    while run:
        size = 2 if run[:2] in _KEYWORDS else 1
        tokens.append(_Token(run[:size], run[:size]))
        run = run[size:]
    return tokens


class _LabelParser:
    """Recursive descent over the tokens, with upstream's words at each place where it can go wrong."""

    def __init__(self, text: str) -> None:
        self._tokens = _lex(text)
        self._at = 0

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self._peek()
            if token.kind == "end":
                return found
            if token.kind not in ("id", "!"):
                raise BadRequest(f"found '{token.literal}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except BadRequest as error:
                raise BadRequest(f"unable to parse requirement: {error.message}") from None
            if self._separator():
                return found

    def _separator(self) -> bool:
        """Consume what follows a requirement; True at the end."""
        token = self._take()
        if token.kind == "end":
            return True
        if token.kind != ",":
            raise BadRequest(f"found '{token.literal}', expected: ',' or 'end of string'")
        following = self._peek()
        if following.kind not in ("id", "!"):
            raise BadRequest(f"found '{following.literal}', expected: identifier after ','")
        return False

    def _requirement(self) -> Requirement:
        token = self._take()
        negated = token.kind == "!"
        if negated:
            token = self._take()
        if token.kind != "id":
            raise BadRequest(f"found '{token.literal}', expected: identifier")
        key = token.literal
        if faults := _key_faults(key, "<nil>"):
            raise BadRequest(faults[0])
        if negated:
            return _requirement(key, Operator.DOES_NOT_EXIST, ())
        if self._peek().kind in ("end", ","):
            return _requirement(key, Operator.EXISTS, ())
        operator = self._operator()
        values = self._values() if operator in (Operator.IN, Operator.NOT_IN) else [self._exact_value()]
        return _requirement(key, operator, sorted(set(values)))

    def _operator(self) -> Operator:
        token = self._take(words=True)
        operator = _BINARY.get(token.kind)
        if operator is None:
            raise BadRequest(f"found '{token.literal}', expected: {_BINARY_WORDS}")
        return operator

    def _exact_value(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._take()
        if token.kind != "id":
            raise BadRequest(f"found '{token.literal}', expected: identifier")
        return token.literal

    def _values(self) -> list[str]:
        token = self._take()
        if token.kind != "(":
            raise BadRequest(f"found '{token.literal}' expected: '('")
        token = self._peek()
        if token.kind == ")":
            self._take()
            return [""]
        if token.kind not in ("id", ","):
            raise BadRequest(f"found '{token.literal}', expected: ',', ')' or identifier")
        values = self._identifiers()
        self._take()  # the closing parenthesis, which _identifiers has seen
        return values

    def _identifiers(self) -> list[str]:
        """A comma-separated list in which any place may be empty, up to (not including) the ``)``."""
        values: list[str] = []
        while True:
            token = self._take()
            following = self._peek()
            if token.kind == "id":
                values.append(token.literal)
                if following.kind == ")":
                    return values
                if following.kind != ",":
                    raise BadRequest(f"found '{following.literal}', expected: ',' or ')'")
            elif token.kind == ",":
                if not values or following.kind in (")", ","):
                    values.append("")
                if following.kind == ")":
                    return values
            else:
                raise BadRequest(f"found '{token.literal}', expected: ',', or identifier")

    def _peek(self) -> _Token:
        return self._as_value(self._tokens[self._at])

    def _take(self, *, words: bool = False) -> _Token:
        """The current token. ``in`` and ``notin`` are words only where an operator can stand."""
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token if words else self._as_value(token)

    @staticmethod
    def _as_value(token: _Token) -> _Token:
        return _Token("id", token.literal) if token.kind in ("in", "notin") else token


class FieldRequirement(NamedTuple):
    """``path op value`` of a field selector; ``op`` is "=" or "!="."""

    path: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Requirements on fields that must all hold."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, getter: Callable[[str], str]) -> bool:
        """Whether an object is selected; ``getter`` gives a field's value by its path, "" where it is not set."""
        return all((getter(path) == value) is (op == "=") for path, op, value in self.requirements)

    @property
    def everything(self) -> bool:
        """Whether it selects every object."""
        return not self.requirements

    def exact(self, path: str) -> str | None:
        """The value that the field ``path`` must have, where there is one."""
        return next((req.value for req in self.requirements if req.path == path and req.op == "="), None)

    def __str__(self) -> str:
        return ",".join(f"{path}{op}{_escape(value)}" for path, op, value in self.requirements)


_TERM = re.compile(r"(?:\\.|[^\\,])*\\?", re.DOTALL)
_FIELD = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)


def parse_field_selector(text: str) -> FieldSelector:
    """A ``fieldSelector`` query parameter. Raises BadRequest in kube-apiserver's words."""
    found = []
    for term in sorted(_split_terms(text)):
        if not term:
            continue
        parts = _FIELD.fullmatch(term)
        if parts is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        path, op, value = parts.groups()
        found.append(FieldRequirement(path, "!=" if op == "!=" else "=", _unescape(value)))
    return FieldSelector(tuple(found))


def _split_terms(text: str) -> list[str]:
    """Split at the commas that no backslash protects."""
    terms, at = [], 0
    while at <= len(text):
        match = _TERM.match(text, at)
        assert match is not None  # the pattern matches the empty string
        terms.append(match.group())
        at = match.end() + 1
    return terms


def _escape(value: str) -> str:
    return re.sub(r"[\\,=]", r"\\\g<0>", value)


def _unescape(value: str) -> str:
    def literal(piece: re.Match[str]) -> str:
        text = piece.group()
        if text[0] != "\\":
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(text)}")
        if text[1:] not in ("\\", ",", "="):
            raise BadRequest(f"invalid field selector: invalid escape sequence: {text}")
        return text[1:]

    return re.sub(r"\\.?|[,=]", literal, value, flags=re.DOTALL)
