"""Quantities: values, rounding and canonical forms as apimachinery has them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from minikube_py.api.quantity import (
    BAD_SUFFIX,
    WRONG_FORMAT,
    Form,
    bytes_of,
    canonical_quantity,
    cpu_millis,
    format_quantity,
    is_whole,
    parse_quantity,
    quantity,
    rounded_up,
)


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        ("0", "0", Form.DECIMAL_SI),
        ("0n", "0", Form.DECIMAL_SI),
        ("0Ki", "0", Form.BINARY_SI),
        ("0e6", "0", Form.DECIMAL_EXPONENT),
        ("1Ki", "1024", Form.BINARY_SI),
        ("8Ei", str(2**63 - 1), Form.BINARY_SI),
        ("16Ei", str(2**63 - 1), Form.BINARY_SI),
        ("100m", "0.1", Form.DECIMAL_SI),
        ("+0.5", "0.5", Form.DECIMAL_SI),
        ("-50u", "-0.00005", Form.DECIMAL_SI),
        (".5", "0.5", Form.DECIMAL_SI),
        ("1.", "1", Form.DECIMAL_SI),
        ("1E", "1e18", Form.DECIMAL_SI),
        ("1E3", "1000", Form.DECIMAL_EXPONENT),
        ("1e-9", "1e-9", Form.DECIMAL_EXPONENT),
        ("1.1Mi", "1153433.6", Form.BINARY_SI),
        ("0.05n", "1e-9", Form.DECIMAL_SI),
        ("-0.05n", "-1e-9", Form.DECIMAL_SI),
        (".000000000001Ki", "2e-9", Form.DECIMAL_SI),
    ],
)
def test_parsing(text: str, value: str, form: Form) -> None:
    parsed = quantity(text)
    assert (parsed.value, parsed.form) == (Decimal(value), form)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", WRONG_FORMAT),
        ("1 Mi", WRONG_FORMAT),
        ("abc", WRONG_FORMAT),
        ("1.1.M", WRONG_FORMAT),
        ("1+1.0M", WRONG_FORMAT),
        ("0x10", WRONG_FORMAT),
        ("1nan", WRONG_FORMAT),
        ("1i", BAD_SUFFIX),
        ("-3.01i", BAD_SUFFIX),
        ("1e", BAD_SUFFIX),
        ("1KiMi", BAD_SUFFIX),
        ("1m1", BAD_SUFFIX),
        ("1e999999999999", BAD_SUFFIX),
    ],
)
def test_what_is_not_a_quantity(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="quant") as raised:
        parse_quantity(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1024Mi", "1Gi"),
        ("307200Ki", "300Mi"),
        ("1025024Mi", "1001Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000M", "1G"),
        ("0.001T", "1G"),
        ("1000u", "1m"),
        ("1.08", "1080m"),
        ("1080000000n", "1080m"),
        ("0.5", "500m"),
        (".001e12", "1e9"),
        ("0.001e0", "1e-3"),
        ("1000e-12", "1e-9"),
        ("00", "0"),
        (".001Ki", "1024m"),
        (".000000000001Ki", "2n"),
        ("1.1Ki", "1126400m"),
        ("512Ki", "512Ki"),
        ("1.0", "1"),
        ("100000", "100k"),
        ("-1024Mi", "-1Gi"),
        ("1500m", "1500m"),
        ("1025", "1025"),
        ("250e3", "250e3"),
        ("2E", "2E"),
    ],
)
def test_the_canonical_form(text: str, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["1Ki", "300Mi", "1G", "80m", "1080m", "1234567M", "1e9", "80e-3", "1n", "0", "12Gi"])
def test_what_is_canonical_stays(text: str) -> None:
    assert canonical_quantity(text) == text
    assert format_quantity(parse_quantity(text), quantity(text).form) == text


def test_numbers_are_quantities_too() -> None:
    assert canonical_quantity(2) == "2"
    assert canonical_quantity(0.5) == "500m"


@pytest.mark.parametrize(
    ("text", "millis"), [("1", 1000), ("100m", 100), ("0.0001", 1), ("2500u", 3), ("1e30", 2**63 - 1)]
)
def test_millicores_round_up(text: str, millis: int) -> None:
    assert cpu_millis(text) == millis


@pytest.mark.parametrize(
    ("text", "whole"), [("1Ki", 1024), ("128974848", 128974848), ("129e6", 129000000), ("100m", 1), ("-1500m", -2)]
)
def test_bytes_round_up(text: str, whole: int) -> None:
    assert bytes_of(text) == whole


@pytest.mark.parametrize(
    ("text", "whole"),
    [("1e400", True), ("-1e400", True), ("9" * 5000, True), ("9" * 5000 + ".0001", False), ("1e-400", False)],
)
def test_no_amount_is_too_large(text: str, whole: bool) -> None:
    amount = parse_quantity(text)
    assert is_whole(amount) is whole
    assert abs(rounded_up(amount, 3)) >= abs(amount)
    assert abs(bytes_of(text)) < 1 << 63
    assert quantity(canonical_quantity(text)).value == amount
