"""Forwarding: memory, silence, refusals, truncation, forgery, loops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from dnslib import RR, DNSRecord

from agent.dns.foreign import BadMessage, answer_records, parse_response
from agent.dns.forward import Forwarder, ForwardFailed, Question, Routes
from agent.dns.names import decode_name, encode_name
from agent.dns.records import Type
from agent.dns.upstream import Server
from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.hostnet.sockets import DirectSockets
from tests.support.fakedns import FakeNameServer

LINES = (
    "www.example. 300 A 192.0.2.1",
    "www.example. 300 A 192.0.2.2",
    "alias.example. 20 CNAME www.example.",
    "short.example. 3 A 192.0.2.3",
    "zero.example. 0 A 192.0.2.4",
)


def question(name: str, kind: Type = Type.A) -> Question:
    return Question(encode_name(name), kind)


class Forwarding:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = FakeClock()
        self.file = tmp_path / "resolv.conf"
        self.file.write_text("")
        self.forwarder = Forwarder(
            sockets=DirectSockets(), resolv_conf=self.file, own_addresses=["10.96.0.10"], clock=self.clock
        )

    def use(self, *servers: FakeNameServer | int) -> None:
        ports = [server if isinstance(server, int) else server.port for server in servers]
        self.forwarder.configure(Routes(upstreams=tuple(Server("127.0.0.1", port) for port in ports)))

    async def rcode(self, name: str) -> int:
        return (await self.forwarder.ask(question(name))).answer.rcode


@pytest_asyncio.fixture
async def forwarding(tmp_path: Path) -> AsyncIterator[Forwarding]:
    made = Forwarding(tmp_path)
    yield made
    await made.forwarder.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeNameServer]:
    async with FakeNameServer(*LINES) as running:
        yield running


def names_asked(server: FakeNameServer) -> list[str]:
    return [name for _, name, _ in server.asked if "loop-probe" not in name]


async def test_an_answer_is_fetched_once_and_remembered_for_its_time(
    forwarding: Forwarding, server: FakeNameServer
) -> None:
    forwarding.use(server)
    answer = (await forwarding.forwarder.ask(question("short.example"))).answer
    assert (answer.counts[0], answer.lifetime) == (1, 3)
    await forwarding.rcode("short.example")
    assert names_asked(server) == ["short.example."]
    await forwarding.clock.advance(3)
    assert forwarding.forwarder.recall(question("short.example")) is None
    await forwarding.rcode("short.example")
    assert len(names_asked(server)) == 2


async def test_nothing_is_remembered_for_longer_than_half_a_minute(
    forwarding: Forwarding, server: FakeNameServer
) -> None:
    forwarding.use(server)
    await forwarding.rcode("www.example")
    await forwarding.clock.advance(29)
    assert forwarding.forwarder.recall(question("www.example")) is not None
    await forwarding.clock.advance(1)
    assert forwarding.forwarder.recall(question("www.example")) is None


async def test_what_may_not_be_kept_is_not(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    await forwarding.rcode("zero.example")
    assert forwarding.forwarder.recall(question("zero.example")) is None


async def test_absence_is_remembered_as_its_soa_says(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    assert await forwarding.rcode("none.example") == 3
    found = forwarding.forwarder.recall(question("none.example"))
    assert found is not None
    assert found.answer.lifetime == 20


async def test_many_who_ask_at_once_cost_one_question(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    await asyncio.gather(*(forwarding.rcode("www.example") for _ in range(50)))
    assert names_asked(server) == ["www.example."]


async def test_a_cut_answer_is_fetched_over_tcp(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    server.truncate = True
    answer = (await forwarding.forwarder.ask(question("www.example"))).answer
    assert (answer.truncated, answer.counts[0]) == (False, 2)
    assert [transport for transport, name, _ in server.asked if name == "www.example."] == ["udp", "tcp"]


async def test_forged_packets_are_ignored(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    server.forge = True
    assert await forwarding.rcode("www.example") == 0


async def test_a_refusing_server_is_followed_by_the_next(forwarding: Forwarding, server: FakeNameServer) -> None:
    async with FakeNameServer() as broken:
        broken.rcode = 2
        forwarding.use(broken, server)
        assert await forwarding.rcode("www.example") == 0
        forwarding.use(broken)
        assert await forwarding.rcode("www.example") == 2
        assert forwarding.forwarder.recall(question("www.example")) is None


async def test_nobody_there_fails_at_once(forwarding: Forwarding) -> None:
    async with FakeNameServer() as closed:
        port = closed.port
    forwarding.use(port)
    with pytest.raises(ForwardFailed, match="Connection refused"):
        await forwarding.rcode("www.example")
    with pytest.raises(ForwardFailed, match="did not answer a moment ago"):
        await forwarding.rcode("other.example")


async def test_a_silent_server_is_left_alone_for_a_while(forwarding: Forwarding, server: FakeNameServer) -> None:
    tasks = TaskSet("test")
    server.silent = True
    forwarding.use(server)
    asking = tasks.spawn(forwarding.rcode("www.example"), name="ask")
    while not server.asked:  # noqa: ASYNC110 - the packet is on its way
        await asyncio.sleep(0.001)
    await forwarding.clock.advance(2)
    with pytest.raises(ForwardFailed, match="no answer"):
        await asking
    asked = len(server.asked)
    with pytest.raises(ForwardFailed):
        await forwarding.rcode("www.example")
    assert len(server.asked) == asked
    assert forwarding.forwarder.servers() == [f"127.0.0.1:{server.port} (does not answer)"]
    server.silent = False
    await forwarding.clock.advance(5)
    assert await forwarding.rcode("www.example") == 0
    await tasks.close()


async def test_a_server_that_leads_back_is_not_used(forwarding: Forwarding) -> None:
    class Looping(FakeNameServer):
        def answer(self, data: bytes, transport: str):  # type: ignore[no-untyped-def]
            reply = super().answer(data, transport)
            if "loop-probe" in str(reply.q.qname):
                reply.header.rcode = 0
                reply.add_answer(*RR.fromZone(f"{reply.q.qname} 0 TXT minik"))
            return reply

    async with Looping(*LINES) as looping:
        forwarding.use(looping)
        with pytest.raises(ForwardFailed, match="leads back to a cluster's DNS"):
            await forwarding.rcode("www.example")
        assert "loops back" in forwarding.forwarder.servers()[0]


async def test_stub_domains_have_servers_of_their_own(forwarding: Forwarding, server: FakeNameServer) -> None:
    async with FakeNameServer("db.corp.example. 60 A 192.0.2.9") as corporate:
        forwarding.forwarder.configure(
            Routes(
                {encode_name("corp.example"): (Server("127.0.0.1", corporate.port),)},
                (Server("127.0.0.1", server.port),),
            )
        )
        assert await forwarding.rcode("db.corp.example") == 0
        assert await forwarding.rcode("www.example") == 0
        assert (names_asked(corporate), names_asked(server)) == (["db.corp.example."], ["www.example."])


async def test_the_hosts_file_is_read_again_when_it_changes(forwarding: Forwarding) -> None:
    with pytest.raises(ForwardFailed, match="no name server is configured"):
        await forwarding.rcode("www.example")
    forwarding.file.write_text("nameserver 10.96.0.10\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n")
    assert forwarding.forwarder.servers() == []
    await forwarding.clock.advance(2)
    assert forwarding.forwarder.servers() == ["192.0.2.53", "[fe80::1]"]
    forwarding.file.unlink()
    await forwarding.clock.advance(2)
    assert forwarding.forwarder.servers() == []


async def test_names_in_answers_are_written_out(forwarding: Forwarding, server: FakeNameServer) -> None:
    forwarding.use(server)
    asked = question("alias.example")
    records = answer_records((await forwarding.forwarder.ask(asked)).answer, len(asked.section))
    assert [(decode_name(record.owner), record.type, record.ttl) for record in records] == [("alias.example", 5, 20)]
    assert decode_name(records[0].data) == "www.example"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("1.2.3.4", Server("1.2.3.4")),
        ("1.2.3.4:5353", Server("1.2.3.4", 5353)),
        ("fd00::1", Server("fd00::1")),
        ("[fd00::1]:54", Server("fd00::1", 54)),
        ("[fd00::1]", Server("fd00::1")),
    ],
)
def test_where_servers_are(text: str, server: Server) -> None:
    assert Server.parse(text) == server
    assert Server.parse(str(server)) == server


def test_hostile_answers_are_bad_messages() -> None:
    """Property: any bytes are read or refused; nothing else happens, and no name leads in circles."""
    asked = question("alias.example")
    reply = DNSRecord.question("alias.example").reply()
    for line in LINES:
        reply.add_answer(*RR.fromZone(line))
    good = bytes(reply.pack())
    chooser = random.Random(3)
    for _ in range(10_000):
        data = bytearray(good)
        for _ in range(chooser.randrange(5)):
            data[chooser.randrange(len(data))] = chooser.choice([0, 0xC0, 0x0C, 0xFF, chooser.randrange(256)])
        packet = bytes(data[: chooser.randrange(len(data) + 1)])
        try:
            answer_records(parse_response(packet, asked.section), len(asked.section))
        except BadMessage:
            continue
