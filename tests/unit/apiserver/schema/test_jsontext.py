"""Go's words for broken JSON, and the search for repeated keys."""

from __future__ import annotations

import json
import random

import orjson
import pytest

from apiserver.schema.jsontext import (
    SyntaxProblem,
    explain_syntax,
    may_repeat_fields,
    parse,
    parse_noting_repeats,
    repeated_fields,
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":', "unexpected end of JSON input"),
        ("", "unexpected end of JSON input"),
        ("nul", "unexpected end of JSON input"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ('"\x01"', "invalid character '\\x01' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("tru ", "invalid character ' ' in literal true (expecting 'e')"),
        ("-}", "invalid character '}' in numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("1.}", "invalid character '}' after decimal point in numeric literal"),
        ("1e}", "invalid character '}' in exponent of numeric literal"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("'", "invalid character '\\'' looking for beginning of value"),
    ],
)
def test_syntax_errors(text: str, problem: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text.encode())
    assert str(caught.value) == problem


def test_the_scanner_and_the_parser_agree() -> None:
    noise = random.Random(11)
    good = json.dumps({"a": [1, -2.5e3, 'x\\"y', None, {"b": {}, "c": []}], "d": True}).encode()
    for _ in range(4000):
        body = bytearray(good)
        for _ in range(noise.randrange(1, 3)):
            body[noise.randrange(len(body))] = noise.choice(b' {}[]",:0e.-tx\\')
        try:
            orjson.loads(body)
            valid = True
        except orjson.JSONDecodeError:
            valid = False
        try:
            explain_syntax(bytes(body))
            explained = False
        except SyntaxProblem:
            explained = True
        assert valid != explained, bytes(body)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a":1,"b":2}', []),
        ('{"a":1,"a":2}', ['duplicate field "a"']),
        ('{"a":{"b":1,"b":2},"c":[{"d":1,"e":":","d":2}]}', ['duplicate field "a.b"', 'duplicate field "c[0].d"']),
        ('{ "a" : "\\"a\\":1" , "b" : "a" }', []),
        ('{"\\u0061":1,"a":2}', ['duplicate field "a"']),
        ('{"a":"\\u0022","a":""}', ['duplicate field "a"']),
    ],
)
def test_repeated_keys(text: str, found: list[str]) -> None:
    body = text.encode()
    repeats = repeated_fields(parse_noting_repeats(body)) if may_repeat_fields(body, parse(body)) else []
    assert repeats == found
