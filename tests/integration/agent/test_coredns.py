"""Our answers beside those of a real CoreDNS that watches the same objects.

CoreDNS' answers are recorded in ``coredns_answers.json``. With ``coredns`` on the PATH the recording itself is checked
against it, and written anew where ``MINIK_RECORD`` is set.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dnslib import QTYPE, RCODE, DNSRecord

from agent.dns.clusterdns import ClusterDNS
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import ENDPOINTSLICES, SERVICES
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import Network
from tests.support.apiserver import RunningAPI, running_apiserver
from tests.support.fakedns import ask_udp, free_port
from tests.support.services import endpoint, endpoint_slice, port, service

RECORDED = Path(__file__).with_name("coredns_answers.json")
SVC = "default.svc.cluster.local"
COREFILE = """
.:{port} {{
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
    }}
}}
"""
NAMES = (
    f"web.{SVC}", f"db.{SVC}", f"db-0.db.{SVC}", f"10-244-2-5.db.{SVC}", f"db-9.db.{SVC}", f"lonely.{SVC}",
    f"_http._tcp.web.{SVC}", f"_http._udp.web.{SVC}", f"_sql._tcp.db.{SVC}", f"db-0.web.{SVC}", f"ext.{SVC}",
    f"none.{SVC}", SVC, "svc.cluster.local", "pod.cluster.local", "default.pod.cluster.local", "cluster.local",
    "nowhere.svc.cluster.local", "web.nowhere.svc.cluster.local", "dns-version.cluster.local",
    "10-244-0-5.default.pod.cluster.local", "10-244-0-5.nowhere.pod.cluster.local", "a-b-c-d.default.pod.cluster.local",
    "50.0.96.10.in-addr.arpa", "5.0.244.10.in-addr.arpa", "9.9.244.10.in-addr.arpa", "web.default.cluster.local",
    "kubernetes.default.svc.cluster.local", f"10-244-4-5.web.{SVC}", "5.4.244.10.in-addr.arpa",
)  # fmt: skip
TYPES = ("A", "AAAA", "SRV", "PTR", "CNAME")
Told = tuple[str, list[str]]


def on_purpose(name: str, kind: str, ours: Told, theirs: Told) -> bool:
    """Where answers may differ: CoreDNS has records beyond the specification, and breaks two rules of DNS."""
    first = name.partition(".")[0]
    if ours == ("NOERROR", []) and theirs == (
        "NXDOMAIN",
        [],
    ):  # RFC 2308: of a name that is there, a type may be missing
        return name.endswith("in-addr.arpa") or name.startswith("dns-version.")
    if name.startswith("ext."):  # RFC 1034, 3.6.2: an alias is one for every type
        return kind != "A" and ours[1][:1] == [f"{name}. CNAME web.{SVC}."] and theirs == ("NOERROR", [])
    if ours == ("NOERROR", []):  # addresses of names that are for SRV; SRV for single endpoints, and for pods on port 0
        return first.startswith("_") if kind == "A" else kind == "SRV" and first.startswith(("db-", "10-244-"))
    return False


@asynccontextmanager
async def filled_api(folder: Path) -> AsyncIterator[tuple[RunningAPI, Client]]:
    async with running_apiserver(folder) as api, Client.from_access(api.access) as client:
        await fill(client)
        yield api, client


@asynccontextmanager
async def our_server(client: Client, folder: Path) -> AsyncIterator[int]:
    """The port on which our server answers from these objects."""
    tasks, where = TaskSet("test"), free_port()
    informers = InformerSet(client, tasks, SystemClock())
    dns = ClusterDNS(
        informers=informers, network=Network(dns_ips=("127.0.0.1",)), node_ips=(), host_sockets=None,
        resolv_conf=folder / "none", clock=SystemClock(), port=where, metrics_port=free_port(),
    )  # fmt: skip
    await dns.start()
    await informers.start()
    try:
        await informers.wait_synced()
        yield where
    finally:
        await dns.stop()
        await tasks.close()


@asynccontextmanager
async def their_server(api: RunningAPI, folder: Path) -> AsyncIterator[int]:
    """The port on which CoreDNS answers from the same objects."""
    where = free_port()
    process = start_coredns(api, folder, where)
    try:
        await until_ready(where)
        yield where
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def fill(client: Client) -> None:
    await client.create(SERVICES, service("web", ip="10.96.0.50", ports=[port(80, name="http")]))
    await client.create(SERVICES, service("db", ip="None", ports=[port(5432, name="sql")]))
    await client.create(SERVICES, service("lonely", ip="None"))
    external = {"type": "ExternalName", "externalName": f"web.{SVC}", "ports": [port(80, name="http")]}
    meta = {"namespace": "default", "name": "ext"}
    await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": external})
    hosts = [{**endpoint(f"10.244.{n}.5"), "hostname": f"db-{n}"} for n in range(2)]
    sql = [{"name": "sql", "protocol": "TCP", "port": 5432}]
    not_ready = {**endpoint("10.244.3.5", ready=False), "hostname": "db-9"}
    await client.create(ENDPOINTSLICES, endpoint_slice("db", [*hosts, endpoint("10.244.2.5"), not_ready], ports=sql))
    named = [{"name": "http", "protocol": "TCP", "port": 8080}]
    await client.create(ENDPOINTSLICES, endpoint_slice("web", [*hosts, endpoint("10.244.4.5")], ports=named))


def start_coredns(api: RunningAPI, folder: Path, port: int) -> subprocess.Popen[bytes]:
    kubeconfig = api.kubeconfig(folder / "kubeconfig")
    (folder / "Corefile").write_text(COREFILE.format(port=port, kubeconfig=f"{kubeconfig} test"))
    return subprocess.Popen(
        ["coredns", "-conf", str(folder / "Corefile")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


async def told(port: int, name: str, kind: str) -> Told:
    message = DNSRecord.parse(await ask_udp(port, bytes(DNSRecord.question(name, kind).pack())))
    return RCODE[message.header.rcode], sorted(f"{rr.rname} {QTYPE[rr.rtype]} {rr.rdata}" for rr in message.rr)


async def until_ready(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await told(port, f"web.{SVC}", "A"))[1]:
                    return
            except (OSError, TimeoutError):
                pass
            await asyncio.sleep(0.1)


async def all_told(where: int) -> dict[str, Told]:
    return {f"{name} {kind}": await told(where, name, kind) for name in NAMES for kind in TYPES}


def recorded() -> dict[str, Told]:
    return {question: (code, records) for question, (code, records) in json.loads(RECORDED.read_text()).items()}


async def test_the_answers_are_those_of_coredns(tmp_path: Path) -> None:
    async with filled_api(tmp_path) as (_, client), our_server(client, tmp_path) as where:
        ours = await all_told(where)
    theirs = recorded()
    assert ours.keys() == theirs.keys()
    differences = [
        f"{question}:\n    ours   {ours[question]}\n    theirs {theirs[question]}"
        for question in ours
        if ours[question] != theirs[question] and not on_purpose(*question.split(), ours[question], theirs[question])
    ]
    assert not differences, "\n".join(differences)


if shutil.which("coredns"):

    async def test_the_recording_is_what_coredns_answers(tmp_path: Path) -> None:
        async with filled_api(tmp_path) as (api, _), their_server(api, tmp_path) as where:
            theirs = await all_told(where)
        if "MINIK_RECORD" in os.environ:
            lines = ",\n".join(f"{json.dumps(question)}: {json.dumps(answer)}" for question, answer in theirs.items())
            RECORDED.write_text(f"{{\n{lines}\n}}\n")
        assert theirs == recorded()
