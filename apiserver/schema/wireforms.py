"""The JSON forms of the types that marshal themselves: times, durations, quantities, bytes.

A server answers with the canonical form, whatever form it was given: ``0.5`` of a CPU comes back as ``500m``, a
time with a zone as UTC. Errors are ValueErrors in the words of Go's parsers, because those words reach the client.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import lru_cache

from minikube_py.api.quantity import WRONG_FORMAT, canonical_quantity

__all__ = [
    "WRONG_FORMAT",
    "canonical_bytes",
    "canonical_duration",
    "canonical_micro_time",
    "canonical_time",
    "quantity",
]

_RFC3339 = "2006-01-02T15:04:05Z07:00"
_RFC3339_MICRO = "2006-01-02T15:04:05.000000Z07:00"
#: RFC 3339 as Go's layout reads it: fixed places, a fraction may follow the seconds.
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})([.,]\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_PLACES = (
    (r"\d{4}", "2006"), ("-", "-"), (r"\d{2}", "01"), ("-", "-"), (r"\d{2}", "02"), ("T", "T"),
    (r"\d{2}", "15"), (":", ":"), (r"\d{2}", "04"), (":", ":"), (r"\d{2}", "05"),
)  # fmt: skip
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
#: Longer texts are not remembered: a cache is no place for what hostile clients send.
_LONGEST = 128
#: Go counts a duration in nanoseconds in 64 bits.
_LONGEST_DURATION = (1 << 63) - 1
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


def quantity(text: str) -> str:
    """A quantity in canonical form. Raises ValueError, also for hundreds of digits, which upstream would take."""
    if len(text) > _LONGEST:
        raise ValueError(WRONG_FORMAT)
    return _quantity(text)


@lru_cache(maxsize=4096)
def _quantity(text: str) -> str:
    return canonical_quantity(text)


def canonical_time(text: str) -> str:
    """A metav1.Time: RFC 3339 in UTC with whole seconds. Raises ValueError."""
    return _time(text) if len(text) <= _LONGEST else _time.__wrapped__(text)


@lru_cache(maxsize=4096)
def _time(text: str) -> str:
    return _instant(text, _RFC3339).strftime("%4Y-%m-%dT%H:%M:%SZ")


def canonical_micro_time(text: str) -> str:
    """A metav1.MicroTime: RFC 3339 in UTC with six decimals. Raises ValueError."""
    return _instant(text, _RFC3339_MICRO).strftime("%4Y-%m-%dT%H:%M:%S.%fZ")


def _instant(text: str, layout: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(_why_not_a_time(text, layout))
    seconds, fraction, zone = match.groups()
    if layout is _RFC3339_MICRO and (fraction is None or len(fraction) != 7):
        rest = text[19:]
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"')
    try:
        moment = datetime.fromisoformat(f"{seconds}{(fraction or '')[:7].replace(',', '.')}{zone}")
    except ValueError:
        raise ValueError(f'parsing time "{text}": {_out_of_range(text)} out of range') from None
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f'parsing time "{text}": year out of range') from None


def _why_not_a_time(text: str, layout: str) -> str:
    rest = text
    for pattern, place in _PLACES:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{place}"'
        rest = rest[match.end() :]
    match = re.match(r"([.,]\d+)?(Z|[+-]\d{2}:\d{2})", rest, re.ASCII)
    if match is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"'
    return f'parsing time "{text}": extra text: "{rest[match.end() :]}"'


def _out_of_range(text: str) -> str:
    month, hour, minute, second = int(text[5:7]), int(text[11:13]), int(text[14:16]), int(text[17:19])
    if not 1 <= month <= 12:
        return "month"
    if hour > 23:
        return "hour"
    if minute > 59:
        return "minute"
    return "second" if second > 59 else "day"


def canonical_duration(text: str) -> str:
    """A metav1.Duration as Go prints it: ``90s`` -> ``1m30s``. Raises ValueError."""
    return format_duration(nanoseconds(text))


def nanoseconds(text: str) -> int:
    """The length of a duration in Go's notation. Raises ValueError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    total = position = 0
    while body != "0" and len(body) <= _LONGEST and (match := _DURATION_PART.match(body, position)):
        amount, size = match[1], _UNITS[match[2]]
        total += round(float(amount) * size) if "." in amount else int(amount) * size
        position = match.end()
    if not body or (body != "0" and position != len(body)) or total > _LONGEST_DURATION:
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if text.startswith("-") else total


def format_duration(length: int) -> str:
    """Nanoseconds in Go's notation: ``1h0m30s``, ``1.5s``, ``20ms``."""
    sign, length = ("-", -length) if length < 0 else ("", length)
    if length == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if length < size * 1000:
            return f"{sign}{_decimal(length, size)}{unit}"
    minutes, rest = divmod(length, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"


def canonical_bytes(text: str) -> str:
    """Base64 (RFC 4648, standard alphabet) without line breaks.

    Raises ValueError with the offset of the first bad byte.
    """
    raw = text.encode().replace(b"\r", b"").replace(b"\n", b"")
    if len(raw) % 4 == 0 and _BASE64.fullmatch(raw):
        return base64.b64encode(base64.b64decode(raw)).decode()
    raise ValueError(f"illegal base64 data at input byte {_first_bad_byte(raw)}")


def _first_bad_byte(raw: bytes) -> int:
    clean = re.match(rb"[A-Za-z0-9+/]*", raw)
    assert clean is not None
    end = clean.end()
    if end == len(raw):
        return len(raw) // 4 * 4
    if raw[end : end + 1] != b"=":
        return end
    if end % 4 < 2:
        return end
    return end + 1 if raw[end : end + 2] != b"==" or end % 4 == 3 else end + 2
