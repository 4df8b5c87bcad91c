"""`minik trace`: the way that a connection would take now. The judgement is in `minikube_py.insight.trace`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.meta import annotations_of, condition_is_true, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_access, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.dns import debug_table, names_tried, resolver_of
from minikube_py.cli.options import cluster_name
from minikube_py.client import outbound
from minikube_py.client.access import Access
from minikube_py.client.channels import Command, execute
from minikube_py.client.rest import Client
from minikube_py.cloud.views import PUBLISHED_ANNOTATION
from minikube_py.insight.trace.meeting import Meeting, NoWay, Way, meet, owner_of
from minikube_py.insight.trace.mermaid import mermaid
from minikube_py.insight.trace.path import Lookup, Origin, Outcome, Path, Source
from minikube_py.insight.trace.sent import Sent, compare
from minikube_py.insight.trace.walk import NoSuchPort, choose_port, no_way, walk

_PATIENCE_SECONDS = "3"
_ARROWS = ("->", "to")
_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):(\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A Service as a client writes it: ``wanted`` is what its resolver is asked."""

    namespace: str
    name: str
    port: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    namespace: str
    start: str
    end: str
    way: Way | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The Service that is meant. ``port`` is None for an ExternalName."""

    target: Target
    service: Object
    port: dict[str, Any] | None
    way: Way | None
    at: str


@click.command(context_settings={"ignore_unknown_options": True})  # for the arrow
@cluster_name
@namespace_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "mermaid"]),
    default="text",
    show_default=True,
    help="The form.",
)
@click.option("--by", "way", type=click.Choice([each.value for each in Way]), help="By which of its addresses.")
@click.option("--at", default="", metavar="NODE", help="By way of this node: for node ports, and from outside.")
@click.option("--send", is_flag=True, help="Also send one HTTP request, with the pod's curl or from here, and compare.")
@click.argument("words", metavar="FROM ['->'] SERVICE[:PORT]", nargs=-1, required=True)
def trace(name: str, namespace: str, output: str, way: str | None, at: str, send: bool, words: Sequence[str]) -> None:
    """Show the way of a connection to a Service as it would be taken now, and why at each step.

    FROM is [NAMESPACE/]POD, node/NAME, host (this machine), or outside (any other machine with a road to the cluster).
    SERVICE is NAME, NAME.NAMESPACE, NAMESPACE/NAME, or one of its addresses with a port: 192.168.230.11:30080.
    Exit status 1: nothing would be reached; with --send: the request went another way than foretold.
    """
    start, end = both_ends(words)
    asked = Asked(namespace, start, end, Way(way) if way else None, at)
    with told_plainly(name):
        try:
            path, sent = asyncio.run(trace_way(cluster_access(name), asked, send=send))
        except (NoSuchPort, NoWay) as error:
            raise click.ClickException(str(error)) from error
    if output == "json":
        told = {"sent": {"told": sent.told, "agrees": sent.agrees}} if sent else {}
        click.echo(orjson.dumps(path.as_json() | told, option=orjson.OPT_INDENT_2))
    elif output == "mermaid":
        click.echo(mermaid(path), nl=False)
    else:
        _print(path, sent)
    good = sent.agrees is not False if sent else path.arrives
    raise SystemExit(0 if good else 1)


def parse_target(text: str, namespace: str) -> Target:
    """``web``, ``web:80``, ``web.shop:http`` or ``shop/web``; ``namespace`` is that of a bare name."""
    address, _, port = text.partition(":")
    if "/" in address:
        space, _, name = address.partition("/")
        return Target(space, name, port, f"{name}.{space}")
    name, *rest = address.rstrip(".").split(".")
    return Target(rest[0] if rest else namespace, name, port, address)


def both_ends(words: Sequence[str]) -> tuple[str, str]:
    ends = [word for word in words if word not in _ARROWS]
    if len(ends) == 2 and ends[1] == "-":
        raise click.UsageError("the shell took the > of -> for itself: leave the arrow out, or quote it")
    if len(ends) != 2:
        raise click.UsageError("say from where to where: minik trace FROM SERVICE[:PORT]")
    return ends[0], ends[1]


def _print(path: Path, sent: Sent | None) -> None:
    click.echo(f"{path.source} -> {path.target}: {path.outcome}")
    for number, step in enumerate(path.steps, start=1):
        click.echo(f"  {number} {step.stage + ':':<10} {step.decision}")
        for reason in step.reasons:
            click.echo(f"      {reason}")
    if sent:
        words = {True: "as foretold", False: "NOT as foretold", None: "cannot be compared"}[sent.agrees]
        click.echo(f"  sent: {sent.told}: {words}")


async def trace_way(access: Access, asked: Asked, *, send: bool) -> tuple[Path, Sent | None]:
    """Foretell the way, and with ``send`` compare one real request; nothing is sent where there is no way.

    Raises NoSuchPort, NoWay (the address is nobody's), StatusErrors.
    """
    async with Client.from_access(access) as client:
        nodes = [node for node in (await client.list(resources.NODES)).items if _is_ready(node)]
        source, home = await _source(client, asked.start, asked.namespace, nodes)
        found = await _find(client, asked, home, nodes)
        meeting = None
        if found.port is not None:
            try:
                meeting = meet(source, found.service, found.port, nodes=nodes, way=found.way, at=found.at)
            except NoWay as reason:
                return no_way(source, found.service, str(reason)), None
        by_name = source.origin is Origin.POD and (meeting is None or meeting.way is Way.CLUSTER_IP)
        path = walk(
            source=source,
            service=found.service,
            port=found.port,
            meeting=meeting,
            lookups=await _lookups(client, access, f"{home}/{source.name}", found.target.wanted) if by_name else (),
            tables={node: await _table(client, node) for node in (meeting.nodes if meeting else ())},
            slices=(await client.list(resources.ENDPOINTSLICES, found.target.namespace)).items,
        )
    return path, await _send(access, home, found, meeting, path, nodes) if send else None


async def _find(client: Client, asked: Asked, home: str, nodes: Sequence[Object]) -> Found:
    """The Service that is meant, by its name or by one of its addresses."""
    address = _ADDRESS.fullmatch(asked.end)
    if address is None:
        target = parse_target(asked.end, home)
        service = await client.get(resources.SERVICES, target.name, target.namespace)
        port = choose_port(service, target.port) if service["spec"].get("type") != "ExternalName" else None
        return Found(target, service, port, asked.way, asked.at)
    ip, number = address[1].strip("[]"), int(address[2])
    owner = owner_of((await client.list(resources.SERVICES)).items, nodes, ip, number)
    if owner is None:
        raise NoWay(f"{asked.end} is no address of a Service")
    service, port, way, node = owner
    target = Target(namespace_of(service), name_of(service), str(port["port"]), ip)
    return Found(target, service, port, way, asked.at or node)


async def _table(client: Client, node: str) -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads(await client.raw(f"/api/v1/nodes/{node}/proxy/debug/proxy"))
    return table


async def _send(
    access: Access, namespace: str, found: Found, meeting: Meeting | None, path: Path, nodes: Sequence[Object]
) -> Sent:
    """One request, by what the path used: a name, or an address."""
    if (found.port or {}).get("protocol", "TCP") != "TCP":
        raise click.ClickException("--send sends over TCP only")
    url = f"http://{_authority(found, meeting, path)}/"
    if path.source.origin is Origin.HOST:
        code, _, body = await outbound.get(url, headers={}, seconds=float(_PATIENCE_SECONDS))
    elif path.source.origin is Origin.POD:
        code, body = await _send_from_pod(access, namespace, path.source.name, url)
    else:
        lacking = "a pod with hostNetwork sends from its node, and is outside for all others"
        raise click.ClickException(f"--send sends from pods and from host; {lacking}")
    ips = [each["address"] for node in nodes for each in (node.get("status") or {}).get("addresses") or ()]
    return compare(path, code, body.decode(errors="replace"), node_ips=ips)


def _authority(found: Found, meeting: Meeting | None, path: Path) -> str:
    """``host:port``. A headless Service's clients must know the endpoints' port themselves."""
    if meeting is None:
        return f"{found.target.wanted}:{found.target.port or '80'}"
    if path.outcome is Outcome.DIRECT and path.endpoints:
        return f"{found.target.wanted}:{path.endpoints[0].rpartition(':')[2]}"
    if path.source.origin is Origin.HOST and meeting.way is Way.LOAD_BALANCER:
        wanted = f"{meeting.number}/TCP="
        published = annotations_of(found.service).get(PUBLISHED_ANNOTATION, "").split(",")
        return next((each.removeprefix(wanted) for each in published if each.startswith(wanted)), meeting.ip)
    if meeting.way is Way.CLUSTER_IP:
        return f"{found.target.wanted}:{meeting.number}"
    host = meeting.ip or _LOOPBACK
    return f"[{host}]:{meeting.number}" if ":" in host else f"{host}:{meeting.number}"


async def _send_from_pod(access: Access, namespace: str, pod: str, url: str) -> tuple[int, bytes]:
    output, errors = bytearray(), bytearray()
    argv = ["curl", "-s", "-g", "--noproxy", "*", "-m", _PATIENCE_SECONDS, url]
    code = await execute(access, Command(namespace, pod, argv), stdout=output.extend, stderr=errors.extend)
    if code > 125:
        raise click.ClickException(f"pod {pod} cannot run curl: {errors.decode(errors='replace').strip()}")
    return code, bytes(output)


async def _source(client: Client, start: str, namespace: str, nodes: Sequence[Object]) -> tuple[Source, str]:
    """Who connects, and the namespace in which it looks names up."""
    if not nodes:
        raise click.ClickException("no node is Ready")
    if start == "host":  # all nodes share the machine's loopback; any Ready one tells what they do
        return Source(Origin.HOST, "", name_of(nodes[0])), namespace
    if start == "outside":
        return Source(Origin.OUTSIDE, "", ""), namespace
    space, _, name = start.rpartition("/")
    if space == "node":
        await client.get(resources.NODES, name)
        return Source(Origin.NODE, name, name), namespace
    space = space or namespace
    pod: Object = await client.get(resources.PODS, name, space)
    node_name = str(pod["spec"].get("nodeName") or "")
    if not node_name:
        raise click.ClickException(f"pod {space}/{name} has no node yet")
    ip = str(pod.get("status", {}).get("podIP") or "")
    return Source(Origin.POD, name, node_name, ip, in_node_network=bool(pod["spec"].get("hostNetwork"))), space


def _is_ready(node: Object) -> bool:
    return condition_is_true((node.get("status") or {}).get("conditions"), "Ready")


async def _lookups(client: Client, access: Access, pod: str, wanted: str) -> list[Lookup]:
    """What the pod's resolver asks, up to the first name with an address."""
    resolver = await resolver_of(client, access, pod)
    servers = (await debug_table(client, resolver.node))["addresses"]
    if resolver.nameservers and resolver.nameservers[0] not in servers:
        others = ", ".join(resolver.nameservers)
        return [Lookup(wanted, "A", f"the pod does not ask cluster DNS but {others}")]
    asked: list[Lookup] = []
    for name in names_tried(wanted, resolver):
        for kind in ("A", "AAAA"):
            answer = await debug_table(client, resolver.node, name=name, type=kind)
            data = tuple(str(record["data"]) for record in answer["answers"])
            asked.append(Lookup(name, kind, answer["rcode"], data, tuple(answer["from"])))
        if any(lookup.data for lookup in asked):
            break
    return asked
