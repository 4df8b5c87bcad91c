"""The expressions that rules are made of, each as the bytes of one list element.

Registers are the kernel's 32-bit ones, numbered from ``REGISTER``: an address of four words takes four of them.
"""

from __future__ import annotations

import struct
from typing import Final

from minikube_py.dataplane.nftables.messages import be32, nested, value, verdict
from minikube_py.linux.rtmessages import attribute, text

REGISTER: Final = 8
_VERDICT_REGISTER: Final = 0
_META_MARK, _META_OIFNAME, _META_L4PROTO = 3, 7, 16
_DEVICE_NAME_LENGTH = 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_EQUAL, _NOT_EQUAL = 0, 1
_SNAT, _DNAT = 0, 1
_NUMGEN_RANDOM = 1
_DYNSET_UPDATE = 1
_LOOKUP_INVERTED = 1
_REJECT_ICMP, _REJECT_RESET = 0, 1
SOCKET_TRANSPARENT, SOCKET_WILDCARD = 0, 2


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *parts))


def load_l4_protocol(register: int) -> bytes:
    """meta l4proto"""
    return _expression("meta", be32(2, _META_L4PROTO), be32(1, register))


def load_mark(register: int) -> bytes:
    """meta mark"""
    return _expression("meta", be32(2, _META_MARK), be32(1, register))


def set_mark(register: int) -> bytes:
    """meta mark set"""
    return _expression("meta", be32(2, _META_MARK), be32(3, register))


def divert(register: int) -> bytes:
    """tproxy to a port. Where a rule has one, the kernel puts fragments together before the rules see them."""
    return _expression("tproxy", be32(1, 0), be32(3, register))


def load_out_device(register: int) -> bytes:
    """meta oifname: four registers"""
    return _expression("meta", be32(2, _META_OIFNAME), be32(1, register))


def device_name(name: str) -> bytes:
    """A device's name as ``load_out_device`` gives it."""
    return name.encode().ljust(_DEVICE_NAME_LENGTH, b"\0")


def load_network(register: int, offset: int, length: int) -> bytes:
    """Bytes of the IP header."""
    return _expression("payload", be32(1, register), be32(2, _NETWORK_HEADER), be32(3, offset), be32(4, length))


def load_transport(register: int, offset: int, length: int) -> bytes:
    """Bytes of the transport header."""
    return _expression("payload", be32(1, register), be32(2, _TRANSPORT_HEADER), be32(3, offset), be32(4, length))


def load_socket(register: int, key: int) -> bytes:
    """A property of the local socket that the packet belongs to; no match where there is none."""
    return _expression("socket", be32(1, key), be32(2, register))


def immediate(register: int, data: bytes) -> bytes:
    """A constant."""
    return _expression("immediate", be32(1, register), nested(2, value(data)))


def decide(code: int, chain: str = "") -> bytes:
    """A verdict."""
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nested(2, verdict(code, chain)))


def equal(register: int, data: bytes) -> bytes:
    """Goes on with this rule only if the register holds ``data``."""
    return _expression("cmp", be32(1, register), be32(2, _EQUAL), nested(3, value(data)))


def differs(register: int, data: bytes) -> bytes:
    """Goes on with this rule only if the register does not hold ``data``."""
    return _expression("cmp", be32(1, register), be32(2, _NOT_EQUAL), nested(3, value(data)))


def masked(register: int, mask: bytes, xor: bytes = b"") -> bytes:
    """register = register & mask ^ xor"""
    parts = be32(1, register), be32(2, register), be32(3, len(mask))
    return _expression("bitwise", *parts, nested(4, value(mask)), nested(5, value(xor or bytes(len(mask)))))


def raise_mark_bit(register: int, bit: int) -> tuple[bytes, ...]:
    """meta mark set meta mark | bit"""
    clear, toggle = struct.pack("=I", ~bit & 0xFFFFFFFF), struct.pack("=I", bit)
    return load_mark(register), masked(register, clear, toggle), set_mark(register)


def member(name: str, identity: int, register: int, *, inverted: bool = False) -> bytes:
    """Goes on with this rule only if the key is in the set (not in it: ``inverted``)."""
    flags = (be32(5, _LOOKUP_INVERTED),) if inverted else ()
    return _expression("lookup", text(1, name), be32(4, identity), be32(2, register), *flags)


def lookup(name: str, identity: int, register: int, result: int) -> bytes:
    """Data of a map for the key from ``register``; ends this rule where there is none."""
    return _expression("lookup", text(1, name), be32(4, identity), be32(2, register), be32(3, result))


def dispatch(name: str, identity: int, register: int) -> bytes:
    """A verdict map."""
    return lookup(name, identity, register, _VERDICT_REGISTER)


def random_number(register: int, modulus: int, offset: int = 0) -> bytes:
    """numgen random mod modulus offset"""
    return _expression("numgen", be32(1, register), be32(2, modulus), be32(3, _NUMGEN_RANDOM), be32(4, offset))


def remember(name: str, identity: int, key: int, data: int, timeout_ms: int) -> bytes:
    """Adds key and data to a map from the packet path, or starts their timeout again."""
    parts = text(1, name), be32(2, identity), be32(3, _DYNSET_UPDATE), be32(4, key), be32(5, data)
    return _expression("dynset", *parts, attribute(6, struct.pack("!Q", timeout_ms)))


def destination_nat(family: int, address: int, port: int) -> bytes:
    """dnat to the address and port in two registers"""
    return _expression("nat", be32(1, _DNAT), be32(2, family), be32(3, address), be32(5, port))


def source_nat(family: int, address: int) -> bytes:
    """snat to the address in a register"""
    return _expression("nat", be32(1, _SNAT), be32(2, family), be32(3, address))


def masquerade() -> bytes:
    """snat to the address of the device the packet leaves by"""
    return _expression("masq")


def reset() -> bytes:
    """Refuses a TCP connection with a reset."""
    return _expression("reject", be32(1, _REJECT_RESET))


def reject(code: int) -> bytes:
    """Refuses with an ICMP unreachable of ``code``."""
    return _expression("reject", be32(1, _REJECT_ICMP), attribute(2, bytes([code])))
