"""The cluster's DNS on this node: zone, forwarding and sockets put together.

Every node answers for itself on the cluster DNS address, in its own network namespace: no packet leaves the node for a
cluster name, and a dead node takes nobody's DNS along.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.dns.endpoints import DatagramEndpoint, StreamEndpoint
from agent.dns.feed import ZoneFeed
from agent.dns.forward import Forwarder
from agent.dns.names import decode_name, encode_name
from agent.dns.records import Rcode, Type
from agent.dns.responder import Responder
from agent.dns.zone import Zone
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.client.informers import InformerSet
from minikube_py.config.parts import Network
from minikube_py.hostnet.protocol import HostSockets
from minikube_py.hostnet.sockets import DirectSockets

_log = logging.getLogger(__name__)

DNS_PORT = 53
_RECEIVE_BUFFER = 1 << 20


class DNSFault(Exception):
    """Cluster DNS cannot work on this node; the message says why and what to do."""


class ClusterDNS:
    """Answers on every ``network.dns_ips`` address (port 53, UDP and TCP), and on the node's own where that is free.

    ``host_sockets`` reach the servers in ``resolv_conf``, the host's; None where this process is in the host's network
    itself. ``start`` raises DNSFault.
    """

    def __init__(
        self,
        *,
        informers: InformerSet,
        network: Network,
        node_ips: Sequence[str],
        host_sockets: HostSockets | None,
        resolv_conf: Path,
        clock: Clock,
        port: int = DNS_PORT,
    ) -> None:
        self._network = network
        self._node_ips = tuple(node_ips)
        self._port = port
        self._tasks = TaskSet("dns")
        self._zone = Zone(
            domain=network.domain, dns_ips=network.dns_ips, cidrs=(*network.service_cidrs, *network.pod_cidrs)
        )
        self._forwarder = Forwarder(
            sockets=host_sockets or DirectSockets(),
            resolv_conf=resolv_conf,
            own_addresses=network.dns_ips,
            clock=clock,
        )
        self._feed = ZoneFeed(informers, self._zone)
        self._responder = Responder(
            zone=self._zone, forwarder=self._forwarder, clock=clock, synced=lambda: self._feed.synced
        )
        self._feed.attach(self._responder)
        self._datagrams: list[DatagramEndpoint] = []
        self._streams: list[StreamEndpoint] = []

    async def start(self) -> None:
        """Bind and begin to answer; names of the cluster are SERVFAIL until the informers have synced."""
        try:
            for address in self._network.dns_ips:
                await self._listen(address)
        except DNSFault:
            await self.stop()
            raise
        for address in self._node_ips:
            try:
                await self._listen(address)
            except DNSFault as fault:
                _log.info("%s", fault)

    async def stop(self) -> None:
        """Stop answering and close every socket."""
        for datagrams in self._datagrams:
            datagrams.close()
        for streams in self._streams:
            streams.close()
        await self._tasks.close()
        await self._forwarder.close()
        self._feed.close()
        self._datagrams, self._streams = [], []

    def debug(self) -> dict[str, Any]:
        """What the server holds and has done, for people."""
        return {
            "synced": self._feed.synced,
            "domain": self._zone.domain,
            "names": len(self._zone.snapshot()),
            "readyAnswers": len(self._responder.ready),
            "fastAnswers": sum(endpoint.fast for endpoint in self._datagrams),
            "answers": {Rcode(code).name: count for code, count in sorted(self._responder.rcodes.items())},
            "forwarded": self._forwarder.asked,
            "forwardFailures": self._forwarder.failed,
            "upstreams": self._forwarder.servers(),
        }

    def explain(self, name: str, kind: str = "A") -> dict[str, Any]:
        """How a name of the cluster is answered, and which objects its records come from.

        Raises ValueError for what is no name and KeyError for an unknown type.
        """
        wire = encode_name(name)
        if self._zone.authority(wire) is None:
            return {"name": name, "type": kind, "from": "other name servers"}
        answer = self._zone.lookup(wire, Type[kind])
        return {
            "name": decode_name(wire),
            "type": kind,
            "rcode": answer.rcode.name if self._feed.synced else Rcode.SERVFAIL.name,
            "answers": len(answer.answers),
            "from": [str(source) for source in self._zone.source(wire)],
        }

    async def _listen(self, address: str) -> None:
        datagrams = DatagramEndpoint(
            _bound(address, self._port, socket.SOCK_DGRAM), responder=self._responder, tasks=self._tasks
        )
        datagrams.start()
        self._datagrams.append(datagrams)
        streams = StreamEndpoint(
            _bound(address, self._port, socket.SOCK_STREAM), responder=self._responder, tasks=self._tasks
        )
        self._streams.append(streams)
        await streams.start()


_WHY = {
    errno.EADDRNOTAVAIL: "it is no address of this node: the route that makes Service addresses local is missing",
    errno.EADDRINUSE: "another program of this node listens there",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE in this network namespace",
}


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A bound, non-blocking socket. Raises DNSFault."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        why = _WHY.get(error.errno or 0, error.strerror or str(error))
        raise DNSFault(f"cluster DNS cannot use {protocol} port {port} of {address}: {why}") from error
    return sock
