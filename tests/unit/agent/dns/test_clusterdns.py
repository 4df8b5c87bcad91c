"""The whole name server on loopback: objects in through a fake API server, packets out through real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord

from agent.dns.clusterdns import ClusterDNS, DNSFault
from agent.dns.forward import Routes
from agent.dns.hosts import parse_hosts
from agent.dns.upstream import Server
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import ServiceUnavailable
from minikube_py.api.resources import CONFIGMAPS, ENDPOINTSLICES, NAMESPACES, SERVICES
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import Network
from tests.support.fakeapi import FakeAPI
from tests.support.fakedns import FakeNameServer, ask_tcp, ask_udp, free_port
from tests.support.services import endpoint, endpoint_slice, port, service

SVC = "default.svc.cluster.local"


class Running:
    """A name server, the API server it learns from, and the server that it forwards to."""

    def __init__(self, api: FakeAPI, client: Client, upstream: FakeNameServer, directory: Path) -> None:
        self.api = api
        self.upstream = upstream
        self.tasks = TaskSet("test")
        self.informers = InformerSet(client, self.tasks, SystemClock())
        self.port, self.metrics_port = free_port(), free_port()
        self.dns = ClusterDNS(
            informers=self.informers,
            network=Network(dns_ips=("127.0.0.1",)),
            node_ips=(),
            host_sockets=None,
            resolv_conf=directory / "resolv.conf",
            clock=SystemClock(),
            port=self.port,
            metrics_port=self.metrics_port,
        )
        self.dns._forwarder.configure(Routes(upstreams=(Server("127.0.0.1", upstream.port),)))

    async def ask(self, name: str, kind: str = "A", *, edns: int | None = None, tcp: bool = False) -> DNSRecord:
        query = DNSRecord.question(name, kind)
        if edns is not None:
            query.add_ar(EDNS0(udp_len=edns))
        packet = bytes(query.pack())
        answer = (await ask_tcp(self.port, packet))[0] if tcp else await ask_udp(self.port, packet)
        assert answer[:2] == packet[:2]
        return DNSRecord.parse(answer)

    async def told(self, name: str, kind: str = "A", **how: Any) -> tuple[str, list[str]]:
        message = await self.ask(name, kind, **how)
        return RCODE[message.header.rcode], sorted(f"{QTYPE[rr.rtype]} {rr.rdata}" for rr in message.rr)

    async def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    upstream = FakeNameServer(
        "www.example. 300 A 192.0.2.1", "big.example. 300 A 192.0.2.7", "loop.example. 300 CNAME big.example."
    )
    async with FakeAPI() as api, Client(api.url) as client, upstream:
        api.put(NAMESPACES, {"metadata": {"name": "default"}})
        api.put(SERVICES, service("web", ip="10.96.0.50", ports=[port(80, name="http")]))
        made = Running(api, client, upstream, tmp_path)
        await made.dns.start()
        yield made
        await made.dns.stop()
        await made.tasks.close()


async def synced(running: Running) -> Running:
    await running.informers.start()
    await running.informers.wait_synced()
    return running


async def test_before_the_first_sync_the_cluster_is_servfail_and_others_are_answered(running: Running) -> None:
    running.api.faults += [ServiceUnavailable("starting")] * 3
    assert await running.told(f"web.{SVC}") == ("SERVFAIL", [])
    assert await running.told("1.0.96.10.in-addr.arpa", "PTR") == ("SERVFAIL", [])
    assert await running.told("www.example") == ("NOERROR", ["A 192.0.2.1"])
    await synced(running)
    assert await running.told(f"web.{SVC}") == ("NOERROR", ["A 10.96.0.50"])


@pytest.mark.parametrize("tcp", [False, True])
async def test_names_of_every_search_path_form(running: Running, tcp: bool) -> None:
    await synced(running)
    assert await running.told(f"web.{SVC}", tcp=tcp) == ("NOERROR", ["A 10.96.0.50"])
    assert await running.told(f"web.default.{SVC}", tcp=tcp) == ("NXDOMAIN", [])
    assert await running.told("web.default.svc.svc.cluster.local", tcp=tcp) == ("NXDOMAIN", [])
    assert await running.told(f"www.example.{SVC}", tcp=tcp) == ("NXDOMAIN", [])
    assert await running.told("www.example", tcp=tcp) == ("NOERROR", ["A 192.0.2.1"])
    assert await running.told("none.example", tcp=tcp) == ("NXDOMAIN", [])


async def test_a_change_is_answered_at_once_and_by_the_fast_path(running: Running) -> None:
    await synced(running)
    assert await running.told(f"db.{SVC}") == ("NXDOMAIN", [])
    assert await running.told(f"db.{SVC}") == ("NXDOMAIN", [])
    assert running.dns._responder.rcodes.total() == 1, "the second answer was at hand"
    running.api.put(SERVICES, service("db", ip="None"))
    running.api.put(ENDPOINTSLICES, endpoint_slice("db", [endpoint("10.244.0.5")]))
    await running.until(lambda: running.dns._zone.snapshot().get(b"\x02db\x07default\x03svc\x07cluster\x05local\x00"))
    assert await running.told(f"db.{SVC}") == ("NOERROR", ["A 10.244.0.5"])
    running.api.remove(ENDPOINTSLICES, "db-abcde", "default")
    running.api.remove(NAMESPACES, "default")
    await running.until(lambda: len(running.informers.of(NAMESPACES).list()) == 0)
    await running.until(lambda: len(running.informers.of(ENDPOINTSLICES).list()) == 0)
    assert await running.told(f"db.{SVC}") == ("NXDOMAIN", [])


async def test_addresses_take_turns(running: Running) -> None:
    running.api.put(SERVICES, service("db", ip="None"))
    running.api.put(ENDPOINTSLICES, endpoint_slice("db", [endpoint(f"10.244.0.{n}") for n in range(3)]))
    await synced(running)
    firsts = [str((await running.ask(f"db.{SVC}")).rr[0].rdata) for _ in range(6)]
    assert firsts == ["10.244.0.0", "10.244.0.1", "10.244.0.2"] * 2


async def test_what_does_not_fit_comes_over_tcp_or_with_edns(running: Running) -> None:
    running.api.put(SERVICES, service("db", ip="None"))
    running.api.put(ENDPOINTSLICES, endpoint_slice("db", [endpoint(f"10.244.0.{n}") for n in range(60)]))
    await synced(running)
    cut = await running.ask(f"db.{SVC}")
    assert (cut.header.tc, 0 < len(cut.rr) < 60) == (1, True)
    assert len((await running.ask(f"db.{SVC}", edns=4096)).rr) == 60
    assert len((await running.ask(f"db.{SVC}", tcp=True)).rr) == 60


async def test_forwarded_answers_count_down(running: Running) -> None:
    assert (await running.ask("www.example")).rr[0].ttl == 300
    remembered = running.dns._forwarder._memory
    for key, value in list(remembered.items()):
        remembered[key] = value._replace(at=value.at - 10)
    running.dns._responder.invalidate_all()
    assert (await running.ask("www.example")).rr[0].ttl == 290
    assert (await running.ask("WWW.Example", edns=1232)).rr[0].ttl == 290


async def test_an_external_name_is_followed(running: Running) -> None:
    for name, target in (
        ("ext", "www.example"),
        ("inner", f"web.{SVC}"),
        ("gone", "none.example"),
        ("self", f"self.{SVC}"),
    ):
        running.api.put(SERVICES, service(name, ip="", type="ExternalName", externalName=target))
    await synced(running)
    assert await running.told(f"ext.{SVC}") == ("NOERROR", ["A 192.0.2.1", "CNAME www.example."])
    assert await running.told(f"inner.{SVC}") == ("NOERROR", ["A 10.96.0.50", f"CNAME web.{SVC}."])
    assert await running.told(f"ext.{SVC}", "CNAME") == ("NOERROR", ["CNAME www.example."])
    assert await running.told(f"gone.{SVC}") == ("NXDOMAIN", ["CNAME none.example."])
    assert (await running.told(f"self.{SVC}"))[0] == "SERVFAIL"
    running.api.remove(SERVICES, "inner", "default")
    await running.until(lambda: len(running.informers.of(SERVICES).list()) == 4)
    assert (await running.told(f"inner.{SVC}"))[0] == "NXDOMAIN"


async def test_an_unreachable_upstream_is_servfail(running: Running) -> None:
    running.dns._forwarder.configure(Routes(upstreams=(Server("127.0.0.1", free_port()),)))
    assert await running.told("www.example") == ("SERVFAIL", [])
    running.dns._forwarder.configure(Routes(upstreams=()))
    assert await running.told("www.example", tcp=True) == ("SERVFAIL", [])


async def test_hosts_entries_go_first(running: Running) -> None:
    running.dns._responder.hosts = parse_hosts("192.0.2.66 www.example box # comment\nnonsense line\n::1 box\n")
    assert await running.told("WWW.example") == ("NOERROR", ["A 192.0.2.66"])
    assert await running.told("box", "AAAA") == ("NOERROR", ["AAAA ::1"])
    assert await running.told("box", "MX") == ("NOERROR", [])
    assert await running.told("66.2.0.192.in-addr.arpa", "PTR") == ("NOERROR", ["PTR www.example."])


async def test_many_questions_on_one_connection(running: Running) -> None:
    await synced(running)
    packets = [bytes(DNSRecord.question(f"web.{SVC}" if n % 2 else "www.example").pack()) for n in range(20)]
    answers = await ask_tcp(running.port, *packets)
    assert [answer[:2] for answer in answers] == [packet[:2] for packet in packets]


async def test_hostile_packets_are_survived(running: Running) -> None:
    await synced(running)
    for junk in (b"", b"\0", b"\xff" * 4000, b"\0" * 12, b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"):
        with contextlib.suppress(TimeoutError):  # some are dropped, some are told that they are wrong
            await ask_udp(running.port, junk, seconds=0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"\xff\xffshort")
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert await running.told(f"web.{SVC}") == ("NOERROR", ["A 10.96.0.50"])


async def test_a_cluster_dns_recognises_itself(running: Running) -> None:
    """Two clusters' servers that forward to each other would never end; so would one that forwards to itself."""
    running.dns._forwarder.configure(Routes(upstreams=(Server("127.0.0.1", running.port),)))
    assert await running.told("www.example") == ("SERVFAIL", [])
    assert running.dns._forwarder.servers() == [f"127.0.0.1:{running.port} (loops back to a cluster)"]


async def test_people_can_see_what_it_does(running: Running) -> None:
    await synced(running)
    await running.told(f"web.{SVC}")
    await running.told(f"none.{SVC}")
    found = running.dns.debug()
    assert isinstance(found, dict)
    assert found["rcodes"] == {"NOERROR": 1, "NXDOMAIN": 1}
    assert found["synced"] is True
    explained = await told_of(running, f"_http._tcp.web.{SVC}", "srv")
    assert explained["from"] == ["Service default/web"]
    assert explained["answers"][0]["data"] == f"0 100 80 web.{SVC}."
    assert (await told_of(running, SVC))["from"] == ["Namespace default"]
    foreign = await told_of(running, "www.example")
    assert foreign["answers"] == [{"name": "www.example.", "type": "A", "ttl": 300, "data": "192.0.2.1"}]
    assert foreign["from"] == [f"name servers 127.0.0.1:{running.upstream.port}"]
    assert (await told_of(running, f"none.{SVC}")) == {
        "name": f"none.{SVC}", "type": "A", "rcode": "NXDOMAIN", "answers": [], "from": [],
    }  # fmt: skip
    with pytest.raises(ValueError, match="unknown record type"):
        await told_of(running, "x", "NOPE")


async def told_of(running: Running, name: str, kind: str = "A") -> dict[str, Any]:
    answer = running.dns.debug(name=name, type=kind)
    assert not isinstance(answer, dict)
    return await answer


async def test_prometheus_can_scrape_it(running: Running) -> None:
    await synced(running)
    await running.told(f"web.{SVC}")
    reader, writer = await asyncio.open_connection("127.0.0.1", running.metrics_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert 'minik_dns_worked_out_total{rcode="NOERROR"} 1\n' in text
    assert "minik_dns_synced 1\n" in text


async def test_an_administrator_may_set_servers_and_names(running: Running) -> None:
    await synced(running)
    settings = {"metadata": {"namespace": "kube-system", "name": "kube-dns"}}
    async with FakeNameServer("db.corp.example. 60 A 192.0.2.9") as corporate:
        stub = orjson.dumps({"corp.example": [f"127.0.0.1:{corporate.port}"]}).decode()
        data = {"stubDomains": stub, "upstreamNameservers": "[nonsense", "hosts": "192.0.2.66 box"}
        running.api.put(CONFIGMAPS, {**settings, "data": data})
        await running.until(lambda: running.dns._responder.hosts.lookup(b"\x03box\0", 1))
        assert await running.told("db.corp.example") == ("NOERROR", ["A 192.0.2.9"])
        assert await running.told("box") == ("NOERROR", ["A 192.0.2.66"])
        running.api.put(CONFIGMAPS, {**settings, "data": {"upstreamNameservers": f'["127.0.0.1:{corporate.port}"]'}})
        await running.until(lambda: not running.dns._responder.hosts.lookup(b"\x03box\0", 1))
        assert await running.told("db.corp.example") == ("NOERROR", ["A 192.0.2.9"])
    running.api.remove(CONFIGMAPS, "kube-dns", "kube-system")
    await running.until(lambda: running.dns._forwarder.servers() == [])


async def test_why_it_cannot_listen_is_explained(running: Running, tmp_path: Path) -> None:
    def another(address: str) -> ClusterDNS:
        return ClusterDNS(
            informers=running.informers, network=Network(dns_ips=(address,)), node_ips=(), host_sockets=None,
            resolv_conf=tmp_path / "none", clock=SystemClock(), port=running.port, metrics_port=running.metrics_port,
        )  # fmt: skip

    with pytest.raises(DNSFault, match=r"UDP port \d+ of 127\.0\.0\.1: another program of this node listens there"):
        await another("127.0.0.1").start()
    with pytest.raises(DNSFault, match=r"of 192\.0\.2\.1: it is no address of this node"):
        await another("192.0.2.1").start()
