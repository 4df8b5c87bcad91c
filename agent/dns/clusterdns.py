"""The cluster's DNS on this node: zone, forwarding and sockets put together.

Every node answers for itself on the cluster DNS address, in its own network namespace: no packet leaves the node for a
cluster name, and a dead node takes nobody's DNS along.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

from agent.dns.endpoints import DatagramEndpoint, StreamEndpoint
from agent.dns.feed import ZoneFeed
from agent.dns.forward import Forwarder
from agent.dns.inspect import inspect
from agent.dns.metrics import METRICS_PORT, MetricsEndpoint, exposition, rcode_samples
from agent.dns.records import Rcode
from agent.dns.responder import Responder
from agent.dns.settings import NAME, NAMESPACE, parse_settings
from agent.dns.zone import Zone
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import CONFIGMAPS
from minikube_py.api.types import Object
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
        metrics_port: int = METRICS_PORT,
    ) -> None:
        self._network = network
        self._node_ips = tuple(node_ips)
        self._port = port
        self._metrics_port = metrics_port
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
        settings = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={NAME}", required=False)
        self._unsubscribe = settings.subscribe(self._configure)
        self._datagrams: list[DatagramEndpoint] = []
        self._streams: list[StreamEndpoint | MetricsEndpoint] = []

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
        self._unsubscribe()
        self._datagrams, self._streams = [], []

    def debug(self, name: str = "", type: str = "A") -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """For people: what the server holds and has done; with ``name``, the answer to a question and its source."""
        if name:
            others = f"name servers {', '.join(self._forwarder.servers()) or '(none)'}"
            return inspect(name, type, zone=self._zone, responder=self._responder, others=others)
        return {
            "synced": self._feed.synced,
            "domain": self._zone.domain,
            "addresses": list(self._network.dns_ips),
            "names": len(self._zone),
            "readyAnswers": len(self._responder.ready),
            "packets": self._packets(),
            "workedOut": self._responder.rcodes.total(),
            "rcodes": {Rcode(code).name: count for code, count in sorted(self._responder.rcodes.items())},
            "forwarded": self._forwarder.asked,
            "forwardFailures": self._forwarder.failed,
            "upstreams": self._forwarder.servers(),
        }

    def metrics(self) -> str:
        """The same for Prometheus."""
        worked_out = rcode_samples(self._responder.rcodes)
        plain: list[tuple[str, str, str, float]] = [
            ("minik_dns_packets_total", "counter", "Datagrams taken in.", self._packets()),
            ("minik_dns_forwarded_total", "counter", "Questions to other servers.", self._forwarder.asked),
            ("minik_dns_forward_failures_total", "counter", "Unanswered ones.", self._forwarder.failed),
            ("minik_dns_ready_answers", "gauge", "Encoded answers at hand.", len(self._responder.ready)),
            ("minik_dns_names", "gauge", "Names in the zone.", len(self._zone)),
            ("minik_dns_synced", "gauge", "Whether the zone is whole.", self._feed.synced),
        ]
        return exposition(
            [
                ("minik_dns_worked_out_total", "counter", "Answers that were not at hand.", worked_out),
                *((name, kind, text, {"": value}) for name, kind, text, value in plain),
            ]
        )

    def _packets(self) -> int:
        return sum(endpoint.packets for endpoint in self._datagrams)

    def _configure(self, _: Object | None, config_map: Object | None) -> None:
        routes, hosts = parse_settings(config_map)
        self._forwarder.configure(routes)
        self._responder.hosts = hosts
        self._responder.invalidate_all()

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
        scrapes = MetricsEndpoint(
            _bound(address, self._metrics_port, socket.SOCK_STREAM), text=self.metrics, tasks=self._tasks
        )
        self._streams.append(scrapes)
        await scrapes.start()


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
