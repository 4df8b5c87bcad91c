"""Whose port it is: the kernel lists every socket of the network namespace with its user, also to ordinary users."""

from __future__ import annotations

import ipaddress
import pwd
import struct
from collections.abc import Iterable
from pathlib import Path

from minikube_py.hostnet.protocol import Request

_LISTENING = "0A"
_TABLES = Path("/proc/net")


def user_of_port(request: Request) -> str:
    """The user whose socket keeps ``request`` from its port, as words; "" where none is found."""
    protocol = request.operation[-3:]
    for name in (protocol, f"{protocol}6"):
        try:
            lines = (_TABLES / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for uid in holders(lines, request, stream=protocol == "tcp"):
            return _user(uid)
    return ""


def holders(lines: Iterable[str], request: Request, *, stream: bool) -> Iterable[int]:
    """The users (their numbers) of the sockets in a table of /proc/net that stand in the way of ``request``."""
    wanted = ipaddress.ip_address(request.host)
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or (stream and fields[3] != _LISTENING):
            continue
        host, _, port = fields[1].partition(":")
        address = _address(host)
        if int(port, 16) == request.port and (address.is_unspecified or address == wanted):
            yield int(fields[7])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel prints it: words of four bytes, each in the machine's own order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return ipaddress.ip_address(raw)


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name!r}"
    except KeyError:
        return f"user {uid}"
