"""Domain names in the form in which they travel (RFC 1035, section 3.1): length-prefixed labels ended by a zero byte.

The zone is keyed by this form in lower case, so that a question finds its answer without being decoded. Lower-casing
the whole is safe: a length byte is at most 63 and the first capital letter is 65.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

ROOT = b"\0"
LONGEST_NAME = 255
LONGEST_LABEL = 63


def encode_name(text: str) -> bytes:
    """``web.default.svc`` (with or without the last dot) as a lower-case wire name. Raises ValueError."""
    wire = b"".join(_label(part) for part in text.rstrip(".").split(".")) + ROOT if text.rstrip(".") else ROOT
    if len(wire) > LONGEST_NAME:
        raise ValueError(f"a name of more than {LONGEST_NAME} bytes: {text!r}")
    return wire.lower()


def decode_name(wire: bytes) -> str:
    """A wire name as text without the last dot; bytes that are no name characters come as ``\\DDD``."""
    return ".".join(_shown(label) for label in labels_of_name(wire))


def labels_of_name(wire: bytes) -> list[bytes]:
    """The labels of an uncompressed wire name."""
    found, at = [], 0
    while wire[at]:
        end = at + 1 + wire[at]
        found.append(wire[at + 1 : end])
        at = end
    return found


def ancestors(wire: bytes) -> Iterator[bytes]:
    """The names above ``wire``, nearest first, without the root."""
    at = 1 + wire[0] if wire[0] else 0
    while wire[at]:
        yield wire[at:]
        at += 1 + wire[at]


def reverse_name(address: str) -> bytes:
    """The name under which PTR records of an address are (``in-addr.arpa``, ``ip6.arpa``). Raises ValueError."""
    return encode_name(ipaddress.ip_address(address).reverse_pointer)


def reverse_zones(cidr: str) -> list[bytes]:
    """The reverse zones that hold exactly the addresses of ``cidr``, cut where octets (IPv6: digits) end."""
    network = ipaddress.ip_network(cidr)
    step = 8 if network.version == 4 else 4
    aligned = min(-(-network.prefixlen // step) * step, network.max_prefixlen)
    hidden = (network.max_prefixlen - aligned) // step
    return [
        encode_name(str(part.network_address.reverse_pointer).split(".", hidden)[hidden])
        for part in network.subnets(new_prefix=aligned)
    ]


def _label(text: str) -> bytes:
    raw = text.encode("ascii", errors="strict") if text.isascii() else text.encode("idna")
    if not 0 < len(raw) <= LONGEST_LABEL:
        raise ValueError(f"no DNS label: {text!r}")
    return bytes([len(raw)]) + raw


def _shown(label: bytes) -> str:
    return "".join(chr(byte) if 33 <= byte <= 126 and byte != 46 else f"\\{byte:03d}" for byte in label)
