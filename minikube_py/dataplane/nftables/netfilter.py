"""A netfilter netlink socket: nf_tables transactions and conntrack, answered before the call returns."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from minikube_py.dataplane.nftables import messages as nf
from minikube_py.linux.rtmessages import NLMSG_DONE, NLMSG_ERROR, Message, acknowledgement, messages

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 10, 11
_BUFFER = 1 << 18
#: A transaction is one datagram, and an ordinary user's datagrams are bound by wmem_max (twice 212,992 by default).
LARGEST_TRANSACTION = 360_000


class Transaction:
    """Messages that take effect together."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, int, int, tuple[bytes, ...]]] = []
        self.size = 0

    def add(self, kind: int, family: int, body: tuple[bytes, ...], flags: int = 0) -> None:
        """One message; ``flags`` besides REQUEST."""
        self.requests.append((kind, family, flags, body))
        self.size += 20 + sum(map(len, body))


class Netfilter:
    """A socket in the calling thread's network namespace. Raises OSError where netfilter is not to be had."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._sequence = 0
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Closes the socket; tables stay."""
        self._socket.close()

    def commit(self, transaction: Transaction) -> None:
        """Carries out the whole transaction or nothing of it. Raises OSError with the kernel's own words."""
        if not transaction.requests:
            return
        first = self._sequence + 1
        packets = [nf.batch_edge(nf.BATCH_BEGIN, first)]
        for number, (kind, family, flags, body) in enumerate(transaction.requests, start=first + 1):
            packets.append(nf.message(kind, family, nf.REQUEST | flags, number, *body))
        last = first + len(transaction.requests) + 1
        # Errors are always reported; success is only acknowledged where asked for, and once is enough.
        packets[-1] = _with_ack(packets[-1])
        packets.append(nf.batch_edge(nf.BATCH_END, last))
        self._sequence = last
        self._socket.send(b"".join(packets))
        self._await(last - 1)

    def dump(self, kind: int, family: int, *body: bytes, subsystem: int = nf.SUBSYSTEM) -> list[bytes]:
        """The bodies (behind nfgenmsg) of everything a GET request lists."""
        self._sequence += 1
        packet = nf.message(kind, family, nf.REQUEST | nf.DUMP, self._sequence, *body)
        self._socket.send(packet[:5] + bytes([subsystem]) + packet[6:])
        found: list[bytes] = []
        for message in self._answers():
            if message.type == NLMSG_DONE:
                return found
            if message.type == NLMSG_ERROR:
                _raise(message, "list")
            else:
                found.append(message.body[4:])
        return found

    def request(self, kind: int, family: int, *body: bytes, subsystem: int) -> None:
        """One acknowledged message outside of nf_tables."""
        self._sequence += 1
        packet = nf.message(kind, family, nf.REQUEST | nf.ACK, self._sequence, *body)
        self._socket.send(packet[:5] + bytes([subsystem]) + packet[6:])
        self._await(self._sequence)

    def _await(self, sequence: int) -> None:
        """Reads until ``sequence`` is answered, or something failed: then that answer may never come."""
        failure: OSError | None = None
        for message in self._answers(wait=True):
            if message.type != NLMSG_ERROR:
                continue
            code, words = acknowledgement(message)
            if code and failure is None:
                failure = OSError(code, f"netfilter: {words or os.strerror(code)}")
            if message.sequence == sequence or code:
                break
        if failure is not None:
            self._drain()
            raise failure

    def _answers(self, *, wait: bool = True) -> Iterator[Message]:
        while True:
            try:
                data = self._socket.recv(_BUFFER, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    continue  # more errors than the buffer holds; those that are there still tell
                raise
            yield from messages(data)

    def _drain(self) -> None:
        for _ in self._answers(wait=False):
            pass


def _with_ack(packet: bytes) -> bytes:
    flags = int.from_bytes(packet[6:8], "little") | nf.ACK
    return packet[:6] + flags.to_bytes(2, "little") + packet[8:]


def _raise(message: Message, operation: str) -> None:
    code, words = acknowledgement(message)
    if code:
        raise OSError(code, f"netfilter: {operation}: {words or os.strerror(code)}")
