"""What a part may ask of the host's network, and the words in which it asks.

A part that lives in a network namespace of its own still needs a few sockets of the host: a NodePort on the host's
loopback, a query to the host's resolver. A socket belongs for life to the namespace it was made in, so it can be
made outside and handed in. One request is one packet on a Unix SOCK_SEQPACKET connection; the answer carries the
socket as SCM_RIGHTS, or an errno.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

Operation = Literal["listen_tcp", "bind_udp", "connect_tcp", "connect_udp"]

LARGEST_PACKET = 4096


class HostSockets(Protocol):
    """Sockets in the host's network namespace, non-blocking. Every method raises OSError as the plain call would."""

    async def listen_tcp(self, host: str, port: int) -> socket.socket:
        """A listening socket with SO_REUSEPORT: several nodes publish one NodePort, the kernel spreads connections."""
        ...

    async def bind_udp(self, host: str, port: int) -> socket.socket:
        """A bound datagram socket, with SO_REUSEPORT."""
        ...

    async def connect_tcp(self, host: str, port: int) -> socket.socket:
        """A stream socket whose connect is under way: wait until it is writable, then read SO_ERROR."""
        ...

    async def connect_udp(self, host: str, port: int) -> socket.socket:
        """A datagram socket connected to a numeric address."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One packet of the asking side. ``host`` is a numeric address."""

    operation: Operation
    host: str
    port: int

    @property
    def publishes(self) -> bool:
        """Whether others may reach the socket: it listens, or it is bound."""
        return self.operation in ("listen_tcp", "bind_udp")

    @property
    def port_name(self) -> str:
        """The port as a file name."""
        return f"{self.operation[-3:]}-{self.host.replace(':', '_')}-{self.port}"

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, packet: bytes) -> Request:
        """Raises ValueError for anything that is not a request."""
        try:
            fields = json.loads(packet)
            request = cls(str(fields["operation"]), str(fields["host"]), int(fields["port"]))  # type: ignore[arg-type]
        except (TypeError, KeyError, UnicodeDecodeError) as error:
            raise ValueError("not a request for a host socket") from error
        if request.operation not in ("listen_tcp", "bind_udp", "connect_tcp", "connect_udp"):
            raise ValueError(f"unknown operation {request.operation!r}")
        if not 0 <= request.port <= 65535:
            raise ValueError(f"port {request.port} is out of range")
        return request


def encode_refusal(error: OSError) -> bytes:
    """The packet that says why there is no socket."""
    return json.dumps({"errno": error.errno or 0, "message": error.strerror or str(error)}).encode()


def decode_refusal(packet: bytes) -> OSError | None:
    """The error in an answer; None where the answer is a grant."""
    answer = json.loads(packet)
    code = answer.get("errno")
    return None if code is None else OSError(code, answer.get("message") or os.strerror(code))


GRANT = b"{}"
