"""Resource quantities: ``100m``, ``1.5Gi``, ``12e6``.

Parsing, rounding and the canonical form follow ``apimachinery/pkg/api/resource``: a number without rounding surprises,
at most nine decimals (rounded up: who asks for some of a resource gets some of it), the suffix family kept as given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_UP, Context, Decimal, InvalidOperation
from enum import StrEnum

#: The words of a parse failure, as clients see them inside a 400.
WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
BAD_NUMBER = "unable to parse numeric part of quantity"
BAD_SUFFIX = "unable to parse quantity's suffix"

_SHAPE = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<rest>[0-9]*))?(?P<suffix>[eEinumkKMGTP]*[+-]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {exponent: name for name, exponent in _DECIMAL.items()}
_BINARY_NAMES = {exponent: name for name, exponent in _BINARY.items()} | {0: ""}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_LARGEST_EXPONENT = 1_000
_MAX_INT64 = (1 << 63) - 1
_NANO = 9
_EXACT = Context(prec=MAX_PREC, rounding=ROUND_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Form(StrEnum):
    """The suffix family that a quantity was written with."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount and the family it is shown in. ``text`` is set where the given form is kept as canonical."""

    value: Decimal
    form: Form = Form.DECIMAL_SI
    text: str = ""

    def __str__(self) -> str:
        return self.text or _canonical(self.value, self.form)


def quantity(given: str | int | float | Decimal) -> Quantity:
    """Parse a quantity with its form. Raises ValueError in apimachinery's words."""
    text = str(given)
    shape = _SHAPE.fullmatch(text) if text else None
    if shape is None:
        raise ValueError(WRONG_FORMAT)
    suffix = shape["suffix"]
    if suffix in _BINARY:
        return _parse_binary(text, shape, _BINARY[suffix])
    if suffix in _DECIMAL:
        return _parse_decimal(text, shape, _DECIMAL[suffix], Form.DECIMAL_SI)
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None or len(exponent[1]) > 6 or abs(int(exponent[1])) > _LARGEST_EXPONENT:
        raise ValueError(BAD_SUFFIX)
    return _parse_decimal(text, shape, int(exponent[1]), Form.DECIMAL_EXPONENT)


def parse_quantity(given: str | int | float | Decimal) -> Decimal:
    """The amount of a quantity. Raises ValueError in apimachinery's words."""
    return quantity(given).value


def canonical_quantity(given: str | int | float) -> str:
    """The form in which the API server gives a quantity back: ``0.5`` -> ``500m``, ``1024Mi`` -> ``1Gi``."""
    return str(quantity(given))


def format_quantity(value: Decimal | int, form: Form = Form.DECIMAL_SI) -> str:
    """An amount in canonical form."""
    return _canonical(rounded_up(Decimal(value), _NANO), form)


def rounded_up(value: Decimal, places: int) -> Decimal:
    """``value`` with no more decimal places than these, away from zero."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -places:
        return value.quantize(Decimal(1).scaleb(-places), context=_EXACT)
    return value


def is_whole(value: Decimal) -> bool:
    """Whether an amount has no fraction, however large it is (``%`` gives up beyond the context's precision)."""
    return value == value.to_integral_value()


def cpu_millis(given: str | int | float | Decimal) -> int:
    """Millicores, rounded up (away from zero), capped at int64. Raises ValueError."""
    return _integer(parse_quantity(given).scaleb(3, _EXACT))


def bytes_of(given: str | int | float | Decimal) -> int:
    """Whole units (bytes, or a count), rounded up (away from zero), capped at int64. Raises ValueError."""
    return _integer(parse_quantity(given))


def _integer(value: Decimal) -> int:
    whole = int(value.to_integral_value(rounding=ROUND_UP))
    return max(-_MAX_INT64, min(whole, _MAX_INT64))


def _number(shape: re.Match[str]) -> Decimal:
    try:
        return Decimal(f"{shape['sign']}{shape['whole'] or '0'}.{shape['rest'] or '0'}")
    except InvalidOperation:
        raise ValueError(BAD_NUMBER) from None


def _parse_decimal(text: str, shape: re.Match[str], exponent: int, form: Form) -> Quantity:
    value = rounded_up(_number(shape).scaleb(exponent, _EXACT), _NANO)
    digits = (shape["whole"].lstrip("0") or "0") + (shape["rest"] or "")
    scale = exponent - len(shape["rest"] or "")
    kept = scale >= -9 and scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0" and len(digits) <= 18
    return Quantity(value, form, text if kept else "")


def _parse_binary(text: str, shape: re.Match[str], exponent: int) -> Quantity:
    exact = _EXACT.multiply(_number(shape), Decimal(1 << exponent))
    value = rounded_up(exact, _NANO)
    value = max(-Decimal(_MAX_INT64), min(value, Decimal(_MAX_INT64)))
    if 0 < abs(value) < 1:
        return Quantity(value, Form.DECIMAL_SI)
    digits = shape["whole"].lstrip("0")
    kept = not shape["rest"] and digits != "" and int(digits) % 8 != 0 and value == exact
    return Quantity(value, Form.BINARY_SI, text if kept else "")


def _canonical(value: Decimal, form: Form) -> str:
    if value == 0:
        return "0"
    if form is Form.BINARY_SI and abs(value) >= 1024 and is_whole(value):
        return _binary_text(int(value))
    return _decimal_text(value, form)


def _binary_text(whole: int) -> str:
    exponent = 0
    while whole % 1024 == 0 and exponent < 60:
        whole //= 1024
        exponent += 10
    return f"{whole}{_BINARY_NAMES[exponent]}"


def _decimal_text(value: Decimal, form: Form) -> str:
    """The largest exponent, a multiple of three, that leaves a whole mantissa."""
    sign, digits, exponent = value.normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int)  # never NaN or infinity: the shape admits digits only
    wanted = exponent // 3 * 3
    if form is Form.DECIMAL_EXPONENT:
        suffix = f"e{wanted}" if wanted else ""
    else:
        wanted = min(wanted, 18)
        suffix = _DECIMAL_NAMES[wanted]
    mantissa = "".join(map(str, digits)) + "0" * (exponent - wanted)
    return f"{'-' if sign else ''}{mantissa}{suffix}"
