"""Connections from a node to the outside, where image registries are: through sockets of the host's own network.

A node's network namespace may have no way out of the cluster. A kubelet and its container runtime live on the machine,
not in a pod; so these connections are the machine's, with its name servers and its /etc/hosts.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import dnslib
from aiohttp.client_exceptions import ClientConnectionError

from agent.dns.upstream import Server, Upstream, UpstreamFailed, connected
from minikube_py.aio.clock import Clock
from minikube_py.hostnet.protocol import HostSockets

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

_DNS_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 10.0
_HOSTS: Final = Path("/etc/hosts")


class HostDialer:
    """Resolves as the host does and connects from its network."""

    def __init__(self, *, sockets: HostSockets, resolv_conf: Path, clock: Clock, hosts: Path = _HOSTS) -> None:
        self._sockets = sockets
        self._resolv_conf = resolv_conf
        self._hosts = hosts
        self._clock = clock

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises OSError."""
        refused: OSError | None = None
        for address in await self.resolve(host):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    made = await self._sockets.connect_tcp(address, port)
                    await connected(made)
                return made
            except TimeoutError:
                refused = OSError(110, f"{address}:{port}: no answer")
            except OSError as error:
                refused = OSError(error.errno, f"{address}:{port}: {error.strerror}")
        raise refused or OSError(113, f"{host} has no address")

    async def resolve(self, host: str) -> list[str]:
        """Its addresses. Raises OSError."""
        try:
            return [str(ipaddress.ip_address(host.strip("[]")))]
        except ValueError:
            pass
        if host == "localhost":
            return ["127.0.0.1"]
        return await asyncio.to_thread(self._listed, host) or await self._ask(host)

    def _listed(self, host: str) -> list[str]:
        try:
            lines = [line.partition("#")[0].split() for line in self._hosts.read_text(errors="replace").splitlines()]
        except OSError:
            return []
        return [words[0] for words in lines if host in words[1:]]

    async def _ask(self, host: str) -> list[str]:
        question = dnslib.DNSRecord.question(host).pack()[12:]
        why = f"no name server in {self._resolv_conf}"
        for server in await asyncio.to_thread(self._servers):
            upstream = Upstream(Server.parse(server), sockets=self._sockets, clock=self._clock)
            try:
                answer = await upstream.ask(question, dnssec_ok=False, seconds=_DNS_SECONDS)
            except (UpstreamFailed, OSError) as error:
                why = str(error)
                continue
            finally:
                upstream.close()
            if answer.rcode:
                raise OSError(2, f"lookup {host}: {dnslib.RCODE.get(answer.rcode)}")
            records = dnslib.DNSRecord.parse(answer.message).rr
            return [str(record.rdata) for record in records if record.rtype == dnslib.QTYPE.A]
        raise OSError(110, f"lookup {host}: {why}")

    def _servers(self) -> list[str]:
        try:
            lines = [line.split() for line in self._resolv_conf.read_text(errors="replace").splitlines()]
        except OSError:
            return []
        return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


class HostConnector(aiohttp.BaseConnector):
    """aiohttp's connections, dialled by a HostDialer."""

    def __init__(self, dialer: HostDialer) -> None:
        super().__init__(limit_per_host=4)
        self._dialer = dialer
        self._tls: ssl.SSLContext | None = None

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:  # noqa: ARG002
        host, port = str(req.url.raw_host), int(req.url.port)
        secure = req.url.scheme == "https"
        if secure and self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        try:
            made = await self._dialer.connect(host, port)
            _, protocol = await self._loop.create_connection(
                self._factory, sock=made, ssl=self._tls if secure else None, server_hostname=host if secure else None
            )
        except OSError as error:
            raise ClientConnectionError(str(error.strerror or error)) from error
        return protocol
