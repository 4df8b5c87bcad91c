"""rtnetlink(7) messages as bytes: pure encoding and decoding, no socket.

The layouts are those of linux/rtnetlink.h, if_link.h, if_addr.h and fib_rules.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_NEWRULE: Final = 32
RTM_DELRULE: Final = 33
RTM_GETRULE: Final = 34

NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_CAPPED: Final = 0x100
NLM_F_ACK_TLVS: Final = 0x200
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400

IFF_UP: Final = 0x1

IFLA_ADDRESS: Final = 1
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_LINK: Final = 5
IFLA_MASTER: Final = 10
IFLA_OPERSTATE: Final = 16
IFLA_LINKINFO: Final = 18
IFLA_NET_NS_FD: Final = 28
IFLA_INFO_KIND: Final = 1
IFLA_INFO_DATA: Final = 2
VETH_INFO_PEER: Final = 1

IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_FLAGS: Final = 8
IFA_F_NODAD: Final = 0x02
IFA_F_NOPREFIXROUTE: Final = 0x200

RTA_DST: Final = 1
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_TABLE: Final = 15
RTN_UNICAST: Final = 1
RTN_LOCAL: Final = 2
RTN_BLACKHOLE: Final = 6
RTN_UNREACHABLE: Final = 7
RTNH_F_ONLINK: Final = 4
RTPROT_BOOT: Final = 3
RT_SCOPE_UNIVERSE: Final = 0
RT_SCOPE_LINK: Final = 253
RT_SCOPE_HOST: Final = 254
RT_TABLE_MAIN: Final = 254
RT_TABLE_LOCAL: Final = 255

FRA_DST: Final = 1
FRA_PRIORITY: Final = 6
FRA_FWMARK: Final = 10
FRA_TABLE: Final = 15
FRA_IP_PROTO: Final = 22
FRA_DPORT_RANGE: Final = 24
FR_ACT_TO_TBL: Final = 1

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_TYPE_MASK = 0x3FFF  # the two high bits say "nested" and "network byte order"

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Link:
    """A network device. ``link`` is the peer's or parent's index (0: none), in a namespace of its own perhaps."""

    index: int
    name: str
    up: bool
    mtu: int
    kind: str = ""
    mac: str = ""
    master: int = 0
    link: int = 0
    operstate: int = 0


@dataclass(frozen=True, slots=True)
class Address:
    """An address on a device."""

    index: int
    cidr: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route. ``dst`` is a CIDR ("0.0.0.0/0" is the default); ``index`` is its device, 0 where it has none."""

    dst: str
    table: int
    type: int
    index: int = 0
    via: str = ""
    src: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy routing rule."""

    priority: int
    table: int
    fwmark: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A received netlink message without its header."""

    type: int
    flags: int
    sequence: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def frame(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A whole message: header and body."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram. A truncated tail is ignored."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield Message(kind, flags, sequence, data[offset + _HEADER.size : offset + length])
        offset += (length + 3) & ~3


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of a message body by type; of repeated ones the last."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def acknowledgement(message: Message) -> tuple[int, str]:
    """The errno (0: success) of an NLMSG_ERROR message and the kernel's own words (NETLINK_EXT_ACK), if any."""
    (code,) = struct.unpack_from("=i", message.body)
    words = ""
    if message.flags & NLM_F_ACK_TLVS:
        (original,) = struct.unpack_from("=I", message.body, 4)
        start = 4 + (_HEADER.size if message.flags & NLM_F_CAPPED else original)
        words = attributes(message.body, (start + 3) & ~3).get(1, b"").rstrip(b"\0").decode(errors="replace")
    return -code, words


def link_body(*attrs: bytes, index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """An ifinfomsg with attributes."""
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, change) + b"".join(attrs)


def link_info(kind: str, data: bytes = b"") -> bytes:
    info = text(IFLA_INFO_KIND, kind)
    return attribute(IFLA_LINKINFO, info + (attribute(IFLA_INFO_DATA, data) if data else b""))


def address_body(index: int, cidr: str, *, flags: int = 0, scope: int = RT_SCOPE_UNIVERSE) -> bytes:
    """An ifaddrmsg for ``cidr`` on device ``index``."""
    interface = ipaddress.ip_interface(cidr)
    prefix = interface.network.prefixlen
    head = _ADDRESS.pack(_family(interface.version), prefix, 0, scope, index)
    packed = interface.ip.packed
    attrs = attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    return head + attrs + (u32(IFA_FLAGS, flags) if flags else b"")


def route_body(
    dst: str, *, kind: int, scope: int, table: int = RT_TABLE_MAIN, flags: int = 0, attrs: bytes = b""
) -> bytes:
    """An rtmsg for ``dst``, a CIDR or an address."""
    network = ipaddress.ip_network(dst)
    head = _ROUTE.pack(
        _family(network.version), network.prefixlen, 0, 0, min(table, 252 if table > 255 else 255), RTPROT_BOOT,
        scope, kind, flags,
    )  # fmt: skip
    destination = attribute(RTA_DST, network.network_address.packed) if network.prefixlen else b""
    return head + destination + u32(RTA_TABLE, table) + attrs


def rule_body(
    *, table: int, priority: int, ipv6: bool = False, fwmark: int = 0, to: tuple[str, int, int] | None = None
) -> bytes:
    """A fib_rule_hdr that sends packets to ``table``: those with ``fwmark``, or ``to`` (address, IP protocol, port)."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    attrs = u32(FRA_TABLE, table) + u32(FRA_PRIORITY, priority)
    attrs += u32(FRA_FWMARK, fwmark) if fwmark else b""
    bits = 0
    if to:
        address, protocol, port = to
        bits = 128 if ipv6 else 32
        attrs += attribute(FRA_DST, packed(address)) + attribute(FRA_IP_PROTO, bytes([protocol]))
        attrs += attribute(FRA_DPORT_RANGE, struct.pack("=HH", port, port))
    head = _ROUTE.pack(family, bits, 0, 0, min(table, 252 if table > 255 else 255), 0, 0, FR_ACT_TO_TBL, 0)
    return head + attrs


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    attrs = attributes(body, _LINK.size)
    info = attributes(attrs.get(IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=_text(attrs.get(IFLA_IFNAME, b"")),
        up=bool(flags & IFF_UP),
        mtu=_u32(attrs.get(IFLA_MTU)),
        kind=_text(info.get(IFLA_INFO_KIND, b"")),
        mac=attrs.get(IFLA_ADDRESS, b"").hex(":"),
        master=_u32(attrs.get(IFLA_MASTER)),
        link=_u32(attrs.get(IFLA_LINK)),
        operstate=attrs.get(IFLA_OPERSTATE, b"\0")[0],
    )


def parse_address(body: bytes) -> Address:
    _, prefix, _, _, index = _ADDRESS.unpack_from(body)
    attrs = attributes(body, _ADDRESS.size)
    raw = attrs.get(IFA_LOCAL) or attrs[IFA_ADDRESS]
    return Address(index, f"{ipaddress.ip_address(raw)}/{prefix}")


def parse_route(body: bytes) -> Route:
    family, prefix, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
    attrs = attributes(body, _ROUTE.size)
    default = b"\0" * (4 if family == socket.AF_INET else 16)
    return Route(
        dst=f"{ipaddress.ip_address(attrs.get(RTA_DST, default))}/{prefix}",
        table=_u32(attrs.get(RTA_TABLE)) or table,
        type=kind,
        index=_u32(attrs.get(RTA_OIF)),
        via=_ip(attrs.get(RTA_GATEWAY)),
        src=_ip(attrs.get(RTA_PREFSRC)),
        priority=_u32(attrs.get(RTA_PRIORITY)),
    )


def parse_rule(body: bytes) -> Rule:
    table = _ROUTE.unpack_from(body)[4]
    attrs = attributes(body, _ROUTE.size)
    return Rule(_u32(attrs.get(FRA_PRIORITY)), _u32(attrs.get(FRA_TABLE)) or table, _u32(attrs.get(FRA_FWMARK)))


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")


def _u32(raw: bytes | None) -> int:
    return int.from_bytes(raw[:4], "little" if struct.pack("=H", 1) == b"\1\0" else "big") if raw else 0


def _ip(raw: bytes | None) -> str:
    return str(ipaddress.ip_address(raw)) if raw else ""
