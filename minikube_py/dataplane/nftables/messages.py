"""nf_tables messages as bytes: pure encoding, no socket.

The layouts are those of linux/netfilter/nf_tables.h. Numbers travel in network byte order unless they are packet data,
which is in the order the expression that reads it uses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from minikube_py.linux.rtmessages import attribute, frame, text

IPV4: Final = 2
IPV6: Final = 10
INET: Final = 1

SUBSYSTEM: Final = 10
BATCH_BEGIN: Final = 0x10
BATCH_END: Final = 0x11
NEW_TABLE, DELETE_TABLE = 0, 2
NEW_CHAIN, DELETE_CHAIN = 3, 5
NEW_RULE, DELETE_RULE = 6, 8
NEW_SET = 9
NEW_ELEMENT, GET_ELEMENT, DELETE_ELEMENT = 12, 13, 14

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
CREATE, EXCLUSIVE, APPEND = 0x400, 0x200, 0x800

PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)

SET_INTERVAL, SET_MAP, SET_TIMEOUT, SET_EVAL = 0x4, 0x8, 0x10, 0x20
ELEMENT_INTERVAL_END = 1
DATA_VERDICT: Final = 0xFFFFFF00

#: nft's own numbers for types: they only let ``nft list`` show keys as a person would write them.
TYPE_IPV4, TYPE_IPV6, TYPE_PROTOCOL, TYPE_PORT, TYPE_MARK = 7, 8, 12, 13, 19

DROP, ACCEPT, JUMP, GOTO = 0, 1, -3 & 0xFFFFFFFF, -4 & 0xFFFFFFFF

_NESTED: Final = 0x8000
_TABLE_OWNER: Final = 0x2
_FAMILY = struct.Struct("!BBH")


def be32(kind: int, value: int) -> bytes:
    """A number."""
    return attribute(kind, struct.pack("!I", value))


def be64(kind: int, value: int) -> bytes:
    """A long number (milliseconds)."""
    return attribute(kind, struct.pack("!Q", value))


def nested(kind: int, *parts: bytes) -> bytes:
    """Attributes within an attribute."""
    return attribute(kind | _NESTED, b"".join(parts))


def message(kind: int, family: int, flags: int, sequence: int, *parts: bytes) -> bytes:
    """One nf_tables message."""
    return frame(SUBSYSTEM << 8 | kind, flags, sequence, _FAMILY.pack(family, 0, 0) + b"".join(parts))


def batch_edge(kind: int, sequence: int) -> bytes:
    """BATCH_BEGIN or BATCH_END: what is between them happens as a whole or not at all."""
    return frame(kind, REQUEST, sequence, _FAMILY.pack(0, 0, SUBSYSTEM))


def concatenated(*types: int) -> int:
    """The type of a key of several fields."""
    number = 0
    for each in types:
        number = number << 6 | each
    return number


def table_body(name: str, *, owned: bool = False) -> tuple[bytes, ...]:
    """NEW_TABLE or DELETE_TABLE. An ``owned`` one goes with the socket that made it, and is changed by it alone."""
    return (text(1, name), be32(2, _TABLE_OWNER)) if owned else (text(1, name),)


def chain_body(table: str, name: str, hook: tuple[str, int, int] | None = None) -> tuple[bytes, ...]:
    """NEW_CHAIN. ``hook`` is (type, hook number, priority) for a base chain."""
    parts = (text(1, table), text(3, name))
    if hook is None:
        return parts
    kind, number, priority = hook
    return (*parts, nested(4, be32(1, number), be32(2, priority & 0xFFFFFFFF)), be32(5, ACCEPT), text(7, kind))


def rule_body(table: str, chain: str, *expressions: bytes) -> tuple[bytes, ...]:
    """NEW_RULE."""
    return text(1, table), text(2, chain), nested(4, *expressions)


def rules_of_chain_body(table: str, chain: str) -> tuple[bytes, ...]:
    """DELETE_RULE for all rules of a chain."""
    return text(1, table), text(2, chain)


def set_body(
    table: str,
    name: str,
    *,
    key: tuple[int, int],
    data: tuple[int, int] | None = None,
    flags: int = 0,
    size: int = 0,
    timeout_ms: int = 0,
    identity: int,
) -> tuple[bytes, ...]:
    """NEW_SET. ``key`` and ``data`` are (type, length in bytes); with ``data`` it is a map."""
    parts = [text(1, table), text(2, name), be32(3, flags | (SET_MAP if data else 0))]
    parts += [be32(4, key[0]), be32(5, key[1])]
    if data:
        parts += [be32(6, data[0]), be32(7, data[1])]
    if size:
        parts.append(nested(9, be32(1, size)))
    parts.append(be32(10, identity))
    if timeout_ms:
        parts.append(be64(11, timeout_ms))
    return tuple(parts)


def elements_body(table: str, name: str, elements: Iterable[bytes]) -> tuple[bytes, ...]:
    """NEW_ELEMENT or DELETE_ELEMENT."""
    return text(1, table), text(2, name), nested(3, *elements)


def element(key: bytes, data: bytes | None = None, *, flags: int = 0) -> bytes:
    """A set element, or with ``data`` (from ``value`` or ``verdict``) a map element."""
    parts = [be32(3, flags)] if flags else []
    parts.append(nested(1, value(key)))
    if data is not None:
        parts.append(nested(2, data))
    return nested(1, *parts)


def value(data: bytes) -> bytes:
    """Plain data."""
    return attribute(1, data)


def verdict(code: int, chain: str = "") -> bytes:
    """A verdict; ``chain`` for GOTO and JUMP."""
    return nested(2, be32(1, code), text(2, chain) if chain else b"")
