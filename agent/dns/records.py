"""Record types and the encoding of their data. Names inside the data are never compressed (RFC 3597)."""

from __future__ import annotations

import ipaddress
import struct
from enum import IntEnum
from typing import NamedTuple


class Type(IntEnum):
    """The record types that this server knows by name."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    ANY = 255


class Rcode(IntEnum):
    """Response codes."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Record(NamedTuple):
    """A resource record of class IN; ``owner`` is a wire name."""

    owner: bytes
    type: int
    ttl: int
    data: bytes


#: The data of the records at one name, by type.
RRSets = dict[int, tuple[bytes, ...]]

_SRV = struct.Struct("!HHH")
_SOA = struct.Struct("!IIIII")


def address_type(address: str) -> Type:
    """A or AAAA."""
    return Type.AAAA if ":" in address else Type.A


def address_data(address: str) -> bytes:
    """The data of an A or AAAA record. Raises ValueError."""
    return ipaddress.ip_address(address).packed


def srv_data(priority: int, weight: int, port: int, target: bytes) -> bytes:
    """RFC 2782."""
    return _SRV.pack(priority, weight, port) + target


def srv_target(data: bytes) -> bytes:
    """The target name in an SRV record's data."""
    return data[_SRV.size :]


def txt_data(text: str) -> bytes:
    """One character-string."""
    raw = text.encode()
    return bytes([len(raw)]) + raw


def soa_data(primary: bytes, mailbox: bytes, *, serial: int, minimum: int) -> bytes:
    """``minimum`` is how many seconds a resolver may keep a negative answer (RFC 2308)."""
    return primary + mailbox + _SOA.pack(serial, 7200, 1800, 86400, minimum)
