"""The protobuf wire format (https://protobuf.dev/programming-guides/encoding/): tags, varints, lengths.

Only what Kubernetes' messages use: varints, fixed64 and length-delimited fields. Reading never trusts a length.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1


class WireProblem(ValueError):
    """The bytes are not a protobuf message."""


def varint(value: int) -> bytes:
    """A varint; negative numbers as 64-bit two's complement."""
    value &= _MASK64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A length-delimited field: bytes, UTF-8 text or a message."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the offset after it. Raises WireProblem."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireProblem("proto: unexpected EOF" if at >= len(data) else "proto: integer overflow")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK64, at
        shift += 7


def signed(value: int, bits: int = 64) -> int:
    """A varint read as a two's complement number of 32 or 64 bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Every field of a message in order: its number and its varint, or its raw bytes. Raises WireProblem."""
    at = 0
    end = len(data)
    while at < end:
        tag, at = read_varint(data, at)
        kind = tag & 7
        if tag >> 3 == 0:
            raise WireProblem(f"proto: illegal tag 0 (wire type {kind})")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield tag >> 3, value
            continue
        length = 8 if kind == FIXED64 else 4
        if kind == BYTES:
            length, at = read_varint(data, at)
        elif kind not in (FIXED64, FIXED32):
            raise WireProblem(f"proto: illegal wireType {kind}")
        if at + length > end:
            raise WireProblem("proto: unexpected EOF")
        yield tag >> 3, data[at : at + length]
        at += length
