"""Dropping without a packet filter: a classic BPF program on a listening socket decides which clients' packets exist.

A Service that must drop (a Local policy without an endpoint here, a client outside ``loadBalancerSourceRanges``) cannot
be refused by not listening, for then the kernel answers with a reset. A socket filter that gives 0 makes the kernel
forget the packet before TCP sees it. Connections that were accepted earlier keep the filter they were born with.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from minikube_py.dataplane.model import Route, Verdict
from minikube_py.dataplane.userspace.clients import Clients

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF
_SOURCE_OFFSET = {4: 12, 6: 8}
_PASS = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]


def allowed_networks(route: Route, clients: Clients) -> tuple[str, ...] | None:
    """The only sources whose packets a front end takes: None for all, () for none."""
    allowed: tuple[str, ...] | None = None
    if route.inside.verdict is Verdict.DROP:
        return ()
    if route.outside.verdict is Verdict.DROP:
        allowed = clients.local_pod_cidrs + clients.node_addresses
    if route.source_ranges:
        allowed = route.source_ranges if allowed is None else _intersect(allowed, route.source_ranges)
    return allowed


def _intersect(left: Iterable[str], right: Iterable[str]) -> tuple[str, ...]:
    found = []
    for one in map(ip_network, left):
        for other in map(ip_network, right):
            if one.version == other.version and one.overlaps(other):
                found.append(str(one if one.prefixlen >= other.prefixlen else other))
    return tuple(dict.fromkeys(found))


def program(networks: Sequence[str], version: int) -> list[Instruction]:
    """Instructions (code, jump true, jump false, k) that pass packets from ``networks`` of an IP version only."""
    code: list[Instruction] = []
    for network in map(ip_network, networks):
        if network.version == version:
            code += _match(network.network_address.packed, network.netmask.packed, version)
    return [*code, (_RETURN, 0, 0, 0)]


def _match(address: bytes, mask: bytes, version: int) -> list[Instruction]:
    """Returns "pass" if the source is within; falls through to the next instruction if not."""
    pairs = zip(_words(address), _words(mask), strict=True)
    words = [(position, value, bits) for position, (value, bits) in enumerate(pairs) if bits]
    code: list[Instruction] = []
    for count, (position, value, bits) in enumerate(words, start=1):
        left = (len(words) - count) * 3 + 1  # instructions of this match after the comparison
        offset = _NETWORK_HEADER + _SOURCE_OFFSET[version] + 4 * position
        code += [(_LOAD_WORD, 0, 0, offset), (_AND, 0, 0, bits), (_JUMP_IF_EQUAL, 0, left, value)]
    return [*code, (_RETURN, 0, 0, _PASS)]


def _words(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"!{len(packed) // 4}I", packed)


def attach(sock: socket.socket, networks: Sequence[str] | None) -> None:
    """Lets only packets from ``networks`` (None: all) reach ``sock`` from now on. Raises OSError."""
    if networks is None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        except FileNotFoundError:
            pass  # there was none
        return
    code = program(networks, 6 if sock.family == socket.AF_INET6 else 4)
    packed = b"".join(struct.pack("=HBBI", *each) for each in code)
    buffer = ctypes.create_string_buffer(packed)
    header = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
