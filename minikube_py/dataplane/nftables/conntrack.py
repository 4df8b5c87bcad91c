"""Connection tracking: UDP flows whose endpoint is gone must not go on into the void.

A UDP "connection" lives in conntrack as long as the client sends, so new rules never see it: after a change its entries
are looked at, and those that lead to no current endpoint are deleted (kube-proxy does the same). An entry that was
made while a Service had no endpoint, and so leads nowhere at all, goes too.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import NamedTuple

from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.linux.rtmessages import attribute, attributes

_log = logging.getLogger(__name__)

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_ORIGINAL, _REPLY = 1, 2
_UDP = 17

#: Address (packed) and port.
Place = tuple[bytes, int]


class Entry(NamedTuple):
    """One tracked flow: where the client sent it, and where answers come from. ``tuple_`` names it to the kernel."""

    protocol: int
    destination: Place
    replier: Place
    tuple_: bytes


def stale(entries: list[Entry], current: Mapping[Place, frozenset[Place]]) -> list[Entry]:
    """UDP entries of the front ends in ``current`` that lead to none of their endpoints."""
    return [
        entry
        for entry in entries
        if entry.protocol == _UDP and entry.destination in current and entry.replier not in current[entry.destination]
    ]


def parse(body: bytes) -> Entry | None:
    """An entry of a dump; None for protocols without ports."""
    attrs = attributes(body)
    original, reply = attributes(attrs.get(_ORIGINAL, b"")), attributes(attrs.get(_REPLY, b""))
    protocol = attributes(original.get(2, b""))
    if 3 not in protocol or not reply:
        return None
    sent, answered = attributes(original.get(1, b"")), attributes(reply.get(1, b""))
    return Entry(
        protocol=protocol[1][0],
        destination=(sent.get(2) or sent.get(4, b""), _port(protocol[3])),
        replier=(answered.get(1) or answered.get(3, b""), _port(attributes(reply.get(2, b"")).get(2, b"\0\0"))),
        tuple_=attrs[_ORIGINAL],
    )


def _port(raw: bytes) -> int:
    return int.from_bytes(raw[:2], "big")


def forget_stale(netfilter: Netfilter, family: int, current: Mapping[Place, frozenset[Place]]) -> int:
    """Deletes stale entries of a family and gives their number."""
    found = (parse(body) for body in netfilter.dump(_GET, family, subsystem=_SUBSYSTEM))
    doomed = stale([entry for entry in found if entry is not None], current)
    for entry in doomed:
        try:
            netfilter.request(_DELETE, family, attribute(_ORIGINAL | 0x8000, entry.tuple_), subsystem=_SUBSYSTEM)
        except OSError as error:
            if error.errno != errno.ENOENT:
                _log.warning("cannot forget a stale UDP flow: %s", error)
    return len(doomed)
