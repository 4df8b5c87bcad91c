"""Passing on that an endpoint refused a datagram: the client is told as if the Service's address had refused it.

A socket cannot send ICMP errors, so the message is made here (RFC 792, RFC 4443): it quotes the head of the datagram
that the client sent, by which the client's kernel finds the socket. Needs a raw socket; without one the client is not
told, as over any lossy network.
"""

from __future__ import annotations

import socket
import struct

from minikube_py.dataplane.model import Frontend

_UDP = 17


def packet(client: tuple[str, int], frontend: Frontend) -> bytes:
    """An ICMP (or ICMPv6) "port unreachable" about a datagram from ``client`` to ``frontend``."""
    udp = struct.pack("!HHHH", client[1], frontend.port, 8, 0)
    if ":" in frontend.ip:
        addresses = socket.inet_pton(socket.AF_INET6, client[0]) + socket.inet_pton(socket.AF_INET6, frontend.ip)
        quoted = struct.pack("!IHBB", 6 << 28, len(udp), _UDP, 64) + addresses + udp
        return struct.pack("!BBHI", 1, 4, 0, 0) + quoted  # the kernel sums ICMPv6
    addresses = socket.inet_aton(client[0]) + socket.inet_aton(frontend.ip)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0) + addresses
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    body = struct.pack("!BBHI", 3, 3, 0, 0) + head + udp
    return body[:2] + struct.pack("!H", _checksum(body)) + body[4:]


def tell(client: tuple[str, int], frontend: Frontend) -> None:
    """Sends the message from the front end's address, if this process may."""
    ipv6 = ":" in frontend.ip
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol) as raw:
            raw.bind((frontend.ip, 0))
            raw.sendto(packet(client, frontend), (client[0], 0))
    except OSError:
        return


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
