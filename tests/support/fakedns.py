"""A scripted name server on loopback, for tests of forwarding; and a client that speaks to name servers."""

from __future__ import annotations

import asyncio
import socket

from dnslib import QTYPE, RR, DNSRecord


class FakeNameServer(asyncio.DatagramProtocol):
    """Answers from zone-file lines; every question is noted.

    ``silent`` swallows questions; ``rcode`` is given to all; ``truncate`` sends askers to TCP; ``forge`` sends a wrong
    id and a wrong question before the true answer.
    """

    def __init__(self, *lines: str) -> None:
        self.records = [record for line in lines for record in RR.fromZone(line)]
        self.asked: list[tuple[str, str, str]] = []
        self.silent = False
        self.rcode = 0
        self.truncate = False
        self.forge = False
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> FakeNameServer:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._stream, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport is not None
        assert self._server is not None
        self._transport.close()
        self._server.close()
        await self._server.wait_closed()

    def answer(self, data: bytes, transport: str) -> DNSRecord:
        query = DNSRecord.parse(data)
        name, kind = str(query.q.qname).lower(), QTYPE[query.q.qtype]
        self.asked.append((transport, name, kind))
        reply: DNSRecord = query.reply()
        reply.header.rcode = self.rcode
        known = [rr for rr in self.records if str(rr.rname).lower() == name]
        for record in known:
            if record.rtype in (query.q.qtype, 5):
                reply.add_answer(record)
        if not known and not self.rcode:
            reply.header.rcode = 3
        if not reply.rr:
            reply.add_auth(*RR.fromZone("example. 60 SOA ns.example. host.example. 1 2 3 4 20"))
        return reply

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        if self.silent:
            self.asked.append(("udp", "silence", ""))
            return
        reply = self.answer(data, "udp")
        if self.forge:
            self._transport.sendto(bytes([data[0] ^ 1]) + bytes(reply.pack())[1:], addr)
            self._transport.sendto(data[:2] + bytes(DNSRecord.question("forged.example").reply().pack())[2:], addr)
            self._transport.sendto(b"\0\1", addr)
        if self.truncate:
            reply.header.tc = 1
            reply.rr = []
        self._transport.sendto(bytes(reply.pack()), addr)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        packet = bytes(self.answer(await reader.readexactly(size), "tcp").pack())
        writer.write(len(packet).to_bytes(2, "big") + packet)
        await writer.drain()
        writer.close()


async def ask_udp(port: int, packet: bytes, *, host: str = "127.0.0.1", seconds: float = 5.0) -> bytes:
    """One packet there and one back."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect((host, port))
        sock.send(packet)
        async with asyncio.timeout(seconds):
            return await loop.sock_recv(sock, 65535)


async def ask_tcp(port: int, *packets: bytes, host: str = "127.0.0.1") -> list[bytes]:
    """Packets over one connection, all sent before the first answer is read."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))
        answers = []
        async with asyncio.timeout(60):
            for _ in packets:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answers.append(await reader.readexactly(size))
        return answers
    finally:
        writer.close()
        await writer.wait_closed()


def free_port() -> int:
    """A port that is free for UDP and TCP on loopback."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            try:
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
