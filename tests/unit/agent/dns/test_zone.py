"""Every record of the Kubernetes DNS specification 1.1, for every type of Service, against written-down answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from dnslib import QTYPE, RD, DNSBuffer
from dnslib.dns import RDMAP

from agent.dns.names import decode_name, encode_name
from agent.dns.records import Rcode, Record, Type
from agent.dns.views import ServiceView, SliceView
from agent.dns.zone import Zone
from minikube_py.api.meta import key_of
from minikube_py.api.types import Object
from tests.support.services import endpoint, endpoint_slice, port, service


def shown(record: Record) -> str:
    """``TYPE data`` as dig prints it, decoded by another implementation than ours."""
    name = QTYPE[record.type]
    data = RDMAP.get(name, RD).parse(DNSBuffer(record.data), len(record.data))
    return f"{name} {data}"


def zone_of(
    *objects: Object, domain: str = "cluster.local", namespaces: tuple[str, ...] = ("default", "kube-system")
) -> Zone:
    zone = Zone(domain=domain, dns_ips=["10.96.0.10"], cidrs=["10.96.0.0/16", "10.244.0.0/16"])
    for name in namespaces:
        zone.set_namespace(name, True)
    for obj in objects:
        feed(zone, obj)
    return zone


def feed(zone: Zone, obj: Object) -> set[bytes]:
    if obj["kind"] == "Service":
        return zone.set_service(key_of(obj), ServiceView.from_object(obj))
    return zone.set_slice(key_of(obj), SliceView.from_object(obj))


def ask(zone: Zone, name: str, kind: str) -> tuple[str, list[str]]:
    answer = zone.lookup(encode_name(name), int(Type[kind]))
    return answer.rcode.name, sorted(shown(record) for record in answer.answers)


def with_hostname(entry: dict[str, Any], hostname: str) -> dict[str, Any]:
    return {**entry, "hostname": hostname}


CLUSTER_IP = service("web", ip="10.96.0.50", ports=[port(80, name="http"), port(53, name="dns", protocol="UDP")])
UNNAMED = service("plain", ip="10.96.0.51", ports=[port(80)])
DUAL = service("both", ip="10.96.0.52", clusterIPs=["10.96.0.52", "fd00:10:96::52"])
HEADLESS = service("db", ip="None", ports=[port(5432, name="sql")])
HEADLESS_SLICE = endpoint_slice(
    "db",
    [
        with_hostname(endpoint("10.244.0.5"), "db-0"),
        with_hostname(endpoint("10.244.1.5"), "DB-1"),
        endpoint("10.244.2.5"),
        with_hostname(endpoint("10.244.3.5", ready=False), "db-3"),
    ],
    ports=[{"name": "sql", "protocol": "TCP", "port": 15432}],
)
HEADLESS_V6 = endpoint_slice(
    "db", [with_hostname(endpoint("fd00:244::5"), "db-0")], name="db-v6", family="IPv6",
    ports=[{"name": "sql", "protocol": "TCP", "port": 15432}],
)  # fmt: skip
EXTERNAL = service("ext", ip="", type="ExternalName", externalName="www.Example.com.", ports=[port(80, name="http")])
EMPTY_HEADLESS = service("lonely", ip="None")
OBJECTS = (CLUSTER_IP, UNNAMED, DUAL, HEADLESS, HEADLESS_SLICE, HEADLESS_V6, EXTERNAL, EMPTY_HEADLESS)
SVC = "default.svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "answers"),
    [
        # 2.2 schema version
        ("dns-version.cluster.local", "TXT", "NOERROR", ['TXT "1.1.0"']),
        # 2.3 cluster IP
        (f"web.{SVC}", "A", "NOERROR", ["A 10.96.0.50"]),
        ("WEB.Default.SVC.cluster.LOCAL", "A", "NOERROR", ["A 10.96.0.50"]),
        (f"web.{SVC}", "AAAA", "NOERROR", []),
        (f"web.{SVC}", "TXT", "NOERROR", []),
        (f"both.{SVC}", "A", "NOERROR", ["A 10.96.0.52"]),
        (f"both.{SVC}", "AAAA", "NOERROR", ["AAAA fd00:10:96::52"]),
        (f"_http._tcp.web.{SVC}", "SRV", "NOERROR", [f"SRV 0 100 80 web.{SVC}."]),
        (f"_dns._udp.web.{SVC}", "SRV", "NOERROR", [f"SRV 0 100 53 web.{SVC}."]),
        (f"_http._udp.web.{SVC}", "SRV", "NXDOMAIN", []),
        (f"_http._tcp.web.{SVC}", "A", "NOERROR", []),
        (f"_tcp.web.{SVC}", "SRV", "NOERROR", []),
        (f"web.{SVC}", "SRV", "NOERROR", [f"SRV 0 100 53 web.{SVC}.", f"SRV 0 100 80 web.{SVC}."]),
        (f"_tcp.plain.{SVC}", "SRV", "NXDOMAIN", []),
        ("50.0.96.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR web.{SVC}."]),
        ("52.0.96.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR both.{SVC}."]),
        ("51.0.96.10.in-addr.arpa", "A", "NOERROR", []),
        ("99.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
        # 2.4 headless
        (f"db.{SVC}", "A", "NOERROR", ["A 10.244.0.5", "A 10.244.1.5", "A 10.244.2.5"]),
        (f"db.{SVC}", "AAAA", "NOERROR", ["AAAA fd00:244::5"]),
        (f"db-0.db.{SVC}", "A", "NOERROR", ["A 10.244.0.5"]),
        (f"db-0.db.{SVC}", "AAAA", "NOERROR", ["AAAA fd00:244::5"]),
        (f"db-1.db.{SVC}", "A", "NOERROR", ["A 10.244.1.5"]),
        (f"10-244-2-5.db.{SVC}", "A", "NOERROR", ["A 10.244.2.5"]),
        (f"10-244-0-5.db.{SVC}", "A", "NXDOMAIN", []),
        (f"db-3.db.{SVC}", "A", "NXDOMAIN", []),
        (
            f"_sql._tcp.db.{SVC}", "SRV", "NOERROR",
            [f"SRV 0 33 15432 {name}.db.{SVC}." for name in ("10-244-2-5", "db-0", "db-1")],
        ),
        ("5.0.244.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR db-0.db.{SVC}."]),
        ("5.2.244.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR 10-244-2-5.db.{SVC}."]),
        ("5.3.244.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
        (f"lonely.{SVC}", "A", "NXDOMAIN", []),
        # 2.5 external names
        (f"ext.{SVC}", "A", "NOERROR", ["CNAME www.example.com."]),
        (f"ext.{SVC}", "AAAA", "NOERROR", ["CNAME www.example.com."]),
        (f"ext.{SVC}", "CNAME", "NOERROR", ["CNAME www.example.com."]),
        (f"_http._tcp.ext.{SVC}", "SRV", "NXDOMAIN", []),
        # 2.6 pods
        ("10-244-0-5.default.pod.cluster.local", "A", "NOERROR", ["A 10.244.0.5"]),
        ("10-244-0-5.default.pod.cluster.local", "AAAA", "NOERROR", []),
        ("fd00-244--5.default.pod.cluster.local", "AAAA", "NOERROR", ["AAAA fd00:244::5"]),
        ("10-244-0-256.default.pod.cluster.local", "A", "NXDOMAIN", []),
        ("10-244-0-5.nowhere.pod.cluster.local", "A", "NXDOMAIN", []),
        ("web-0.default.pod.cluster.local", "A", "NXDOMAIN", []),
        ("a.10-244-0-5.default.pod.cluster.local", "A", "NXDOMAIN", []),
        # names that hold nothing themselves
        ("cluster.local", "A", "NOERROR", []),
        ("cluster.local", "NS", "NOERROR", ["NS ns.dns.cluster.local."]),
        ("ns.dns.cluster.local", "A", "NOERROR", ["A 10.96.0.10"]),
        ("svc.cluster.local", "A", "NOERROR", []),
        ("pod.cluster.local", "A", "NOERROR", []),
        ("default.svc.cluster.local", "A", "NOERROR", []),
        ("kube-system.svc.cluster.local", "A", "NOERROR", []),
        ("default.pod.cluster.local", "A", "NOERROR", []),
        # names that are not there
        ("nowhere.svc.cluster.local", "A", "NXDOMAIN", []),
        (f"none.{SVC}", "A", "NXDOMAIN", []),
        (f"*.{SVC}", "A", "NXDOMAIN", []),
        ("web.kube-system.svc.cluster.local", "A", "NXDOMAIN", []),
        ("web.default.cluster.local", "A", "NXDOMAIN", []),
        ("example.com.cluster.local", "A", "NXDOMAIN", []),
    ],
)  # fmt: skip
def test_the_specification(name: str, kind: str, rcode: str, answers: list[str]) -> None:
    assert ask(zone_of(*OBJECTS), name, kind) == (rcode, answers)


def test_negative_answers_say_for_how_long() -> None:
    answer = zone_of().lookup(encode_name(f"none.{SVC}"), Type.A)
    assert answer.soa is not None
    assert (decode_name(answer.soa.owner), answer.soa.ttl) == ("cluster.local", 5)
    assert shown(answer.soa) == "SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"
    reverse = zone_of().lookup(encode_name("9.9.96.10.in-addr.arpa"), Type.PTR)
    assert reverse.soa is not None
    assert decode_name(reverse.soa.owner) == "96.10.in-addr.arpa"


def test_srv_answers_bring_the_addresses_along() -> None:
    answer = zone_of(*OBJECTS).lookup(encode_name(f"_sql._tcp.db.{SVC}"), Type.SRV)
    assert sorted(f"{decode_name(record.owner)} {shown(record)}" for record in answer.additional) == [
        f"10-244-2-5.db.{SVC} A 10.244.2.5",
        f"db-0.db.{SVC} A 10.244.0.5",
        f"db-0.db.{SVC} AAAA fd00:244::5",
        f"db-1.db.{SVC} A 10.244.1.5",
    ]


def test_not_ready_addresses_can_be_published() -> None:
    eager = service("db", ip="None", publishNotReadyAddresses=True)
    assert ask(zone_of(eager, HEADLESS_SLICE), f"db-3.db.{SVC}", "A") == ("NOERROR", ["A 10.244.3.5"])


def test_the_endpoints_of_a_cluster_ip_service_have_names_too() -> None:
    slice_of = endpoint_slice("web", [with_hostname(endpoint("10.244.0.7"), "web-0"), endpoint("10.244.0.8")])
    zone = zone_of(CLUSTER_IP, slice_of)
    assert ask(zone, f"web.{SVC}", "A") == ("NOERROR", ["A 10.96.0.50"])
    assert ask(zone, f"web-0.web.{SVC}", "A") == ("NOERROR", ["A 10.244.0.7"])
    assert ask(zone, f"10-244-0-8.web.{SVC}", "A") == ("NOERROR", ["A 10.244.0.8"])
    assert ask(zone, "7.0.244.10.in-addr.arpa", "PTR") == ("NOERROR", [f"PTR web-0.web.{SVC}."])
    assert ask(zone, "8.0.244.10.in-addr.arpa", "PTR") == ("NOERROR", [f"PTR 10-244-0-8.web.{SVC}."])


def test_a_pod_behind_two_headless_services_has_two_names() -> None:
    slices = [endpoint_slice(name, [endpoint("10.244.0.5")]) for name in ("one", "two")]
    zone = zone_of(service("one", ip="None"), service("two", ip="None"), *slices)
    assert ask(zone, "5.0.244.10.in-addr.arpa", "PTR") == (
        "NOERROR", [f"PTR 10-244-0-5.one.{SVC}.", f"PTR 10-244-0-5.two.{SVC}."],
    )  # fmt: skip


@pytest.mark.parametrize("target", ["192.0.2.1", "fd00::1", "a..b", "x" * 64])
def test_an_external_name_that_is_none_has_no_records(target: str) -> None:
    external = service("ext", ip="", type="ExternalName", externalName=target)
    assert ask(zone_of(external), f"ext.{SVC}", "A") == ("NXDOMAIN", [])


def test_slices_of_names_and_without_addresses_are_passed_over() -> None:
    fqdn = endpoint_slice("db", [endpoint("example.com")], family="FQDN")
    empty = endpoint_slice("db", [{"addresses": []}, {"conditions": {}}], name="empty")
    assert ask(zone_of(HEADLESS, fqdn, empty), f"db.{SVC}", "A") == ("NXDOMAIN", [])


def test_any_cluster_domain() -> None:
    zone = zone_of(CLUSTER_IP, domain="K8S.example.org.")
    assert ask(zone, "web.default.svc.k8s.example.org", "A") == ("NOERROR", ["A 10.96.0.50"])
    assert zone.authority(encode_name(f"web.{SVC}")) is None


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        ("cluster.local", "cluster.local"),
        ("x.cluster.local", "cluster.local"),
        ("xcluster.local", None),
        ("local", None),
        ("1.0.96.10.in-addr.arpa", "96.10.in-addr.arpa"),
        ("1.0.97.10.in-addr.arpa", None),
        ("10.in-addr.arpa", None),
        ("in-addr.arpa", None),
    ],
)
def test_what_is_ours_to_answer(name: str, authority: str | None) -> None:
    found = zone_of(*OBJECTS).authority(encode_name(name))
    assert (None if found is None else decode_name(found)) == authority


def test_reverse_names_of_foreign_endpoints_are_ours_where_we_have_them() -> None:
    foreign = endpoint_slice("db", [endpoint("192.0.2.7")])
    zone = zone_of(HEADLESS, foreign)
    assert zone.authority(encode_name("7.2.0.192.in-addr.arpa")) is not None
    assert zone.authority(encode_name("8.2.0.192.in-addr.arpa")) is None


def test_a_namespace_that_went_takes_its_empty_name_along() -> None:
    zone = zone_of()
    changed = zone.set_namespace("default", False)
    assert encode_name(SVC) in changed
    assert ask(zone, SVC, "A") == ("NXDOMAIN", [])
    assert ask(zone, "10-244-0-5.default.pod.cluster.local", "A") == ("NXDOMAIN", [])


def test_a_change_names_what_it_changes_and_no_change_nothing() -> None:
    zone = zone_of(HEADLESS)
    changed = {decode_name(name) for name in feed(zone, HEADLESS_SLICE)}
    assert {
        f"db.{SVC}",
        f"db-0.db.{SVC}",
        f"_sql._tcp.db.{SVC}",
        f"_tcp.db.{SVC}",
        "5.0.244.10.in-addr.arpa",
    } <= changed
    assert feed(zone, HEADLESS_SLICE) == set()
    assert {decode_name(name) for name in zone.set_slice(key_of(HEADLESS_SLICE), None)} >= {
        f"db.{SVC}",
        f"_tcp.db.{SVC}",
    }
    assert zone.snapshot() == zone_of(HEADLESS).snapshot()


def some_object(chooser: random.Random) -> Object:
    name = f"s{chooser.randrange(3)}"
    if chooser.random() < 0.4:
        kind = chooser.randrange(4)
        if kind == 0:
            return service(name, ip="", type="ExternalName", externalName=chooser.choice(["x.example", "1.2.3.4"]))
        address = "None" if kind == 1 else f"10.96.0.{chooser.randrange(3)}"
        return service(name, ip=address, ports=[port(80, name=chooser.choice(["", "http", "x"]))])
    entries = [
        with_hostname(
            endpoint(f"10.244.0.{chooser.randrange(4)}", ready=chooser.random() < 0.8), chooser.choice(["", "h0", "h1"])
        )
        for _ in range(chooser.randrange(4))
    ]  # fmt: skip
    return endpoint_slice(
        f"s{chooser.randrange(3)}", entries, name=f"slice{chooser.randrange(5)}",
        ports=[{"name": chooser.choice(["", "http"]), "port": chooser.randrange(80, 82)}],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_after_any_changes_the_zone_equals_a_rebuilt_one_and_told_of_every_difference(seed: int) -> None:
    chooser = random.Random(seed)
    zone = zone_of()
    objects: dict[tuple[str, str], Object] = {}
    for _ in range(150):
        before = zone.snapshot()
        obj = some_object(chooser)
        key = (obj["kind"], obj["metadata"]["name"])
        if chooser.random() < 0.3:
            objects.pop(key, None)
            changed = (zone.set_service if obj["kind"] == "Service" else zone.set_slice)(key_of(obj), None)
        else:
            objects[key] = obj
            changed = feed(zone, obj)
        after = zone.snapshot()
        assert after == zone_of(*objects.values()).snapshot()
        different = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert different <= changed


def test_questions_of_unknown_types_are_no_data() -> None:
    answer = zone_of(CLUSTER_IP).lookup(encode_name(f"web.{SVC}"), 65)
    assert (answer.rcode, answer.answers) == (Rcode.NOERROR, ())
    everything = zone_of(CLUSTER_IP).lookup(encode_name(f"web.{SVC}"), Type.ANY)
    assert {record.type for record in everything.answers} == {Type.A, Type.SRV}
