"""`minik trace`: the way that a connection would take now. The judgement is in `minikube_py.insight.trace`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_access, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.dns import debug_table, names_tried, resolver_of
from minikube_py.cli.options import cluster_name
from minikube_py.client.access import Access
from minikube_py.client.channels import Command, execute
from minikube_py.client.rest import Client
from minikube_py.insight.trace.path import Lookup, Origin, Outcome, Path, Source
from minikube_py.insight.trace.sent import Sent, compare
from minikube_py.insight.trace.walk import NoSuchPort, choose_port, walk

_PATIENCE_SECONDS = "3"
_ARROWS = ("->", "to")


@dataclass(frozen=True, slots=True)
class Target:
    """A Service as a client writes it: ``wanted`` is what its resolver is asked."""

    namespace: str
    name: str
    port: str
    wanted: str


@click.command(context_settings={"ignore_unknown_options": True})  # for the arrow
@cluster_name
@namespace_option
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--send", is_flag=True, help="Also send one HTTP request from the pod, with its curl, and compare.")
@click.argument("words", metavar="FROM ['->'] SERVICE[:PORT]", nargs=-1, required=True)
def trace(name: str, namespace: str, output: str, send: bool, words: Sequence[str]) -> None:
    """Show the way of a connection to a Service as it would be taken now, and why at each step.

    FROM is [NAMESPACE/]POD, node/NAME, or host (this machine). SERVICE is NAME, NAME.NAMESPACE or NAMESPACE/NAME.
    Exit status 1: nothing would be reached; with --send: the request went another way than foretold.
    """
    start, end = both_ends(words)
    with told_plainly(name):
        try:
            path, sent = asyncio.run(_trace(cluster_access(name), namespace, start, end, send=send))
        except NoSuchPort as error:
            raise click.ClickException(str(error)) from error
    if output == "json":
        told = {"sent": {"told": sent.told, "agrees": sent.agrees}} if sent else {}
        click.echo(orjson.dumps(path.as_json() | told, option=orjson.OPT_INDENT_2))
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


async def _trace(access: Access, namespace: str, start: str, end: str, *, send: bool) -> tuple[Path, Sent | None]:
    async with Client.from_access(access) as client:
        source, home = await _source(client, start, namespace)
        target = parse_target(end, home)
        service = await client.get(resources.SERVICES, target.name, target.namespace)
        port = choose_port(service, target.port) if service["spec"].get("type") != "ExternalName" else None
        asks = source.origin is Origin.POD
        path = walk(
            source=source,
            service=service,
            port=port,
            lookups=await _lookups(client, access, f"{home}/{source.name}", target.wanted) if asks else (),
            table=orjson.loads(await client.raw(f"/api/v1/nodes/{source.node}/proxy/debug/proxy")),
            slices=(await client.list(resources.ENDPOINTSLICES, target.namespace)).items,
        )
    return path, await _send(access, home, target, port, path) if send else None


async def _send(access: Access, namespace: str, target: Target, port: dict[str, Any] | None, path: Path) -> Sent:
    """One request from the pod. A headless Service's clients must know the endpoints' port themselves."""
    if path.source.origin is not Origin.POD or (port or {}).get("protocol", "TCP") != "TCP":
        raise click.ClickException("--send sends from a pod, and over TCP only")
    direct = path.outcome is Outcome.DIRECT and path.endpoints
    number = path.endpoints[0].rpartition(":")[2] if direct else (port or {}).get("port") or target.port or "80"
    url = f"http://{target.wanted}:{number}/"
    output, errors = bytearray(), bytearray()
    argv = ["curl", "-s", "-g", "--noproxy", "*", "-m", _PATIENCE_SECONDS, url]
    code = await execute(access, Command(namespace, path.source.name, argv), stdout=output.extend, stderr=errors.extend)
    if code > 125:
        raise click.ClickException(f"pod {path.source.name} cannot run curl: {errors.decode(errors='replace').strip()}")
    return compare(path, code, output.decode(errors="replace"))


async def _source(client: Client, start: str, namespace: str) -> tuple[Source, str]:
    """Who connects, and the namespace in which it looks names up."""
    if start == "host":
        return Source(Origin.HOST, "", await _any_node(client)), namespace
    space, _, name = start.rpartition("/")
    if space == "node":
        node = await client.get(resources.NODES, name)
        return Source(Origin.NODE, name, name_of(node)), namespace
    space = space or namespace
    pod: Object = await client.get(resources.PODS, name, space)
    node_name = str(pod["spec"].get("nodeName") or "")
    if not node_name:
        raise click.ClickException(f"pod {space}/{name} has no node yet")
    ip = str(pod.get("status", {}).get("podIP") or "")
    return Source(Origin.POD, name, node_name, ip, in_node_network=bool(pod["spec"].get("hostNetwork"))), space


async def _any_node(client: Client) -> str:
    """All nodes share the machine's loopback; any Ready one tells what they do."""
    nodes = (await client.list(resources.NODES)).items
    for node in nodes:
        if condition_is_true(node.get("status", {}).get("conditions"), "Ready"):
            return name_of(node)
    raise click.ClickException("no node is Ready")


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
