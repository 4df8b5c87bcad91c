"""`minik dns`: why a name resolves, or does not: each question a resolver would ask, its answer, and where from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.cli.access import cluster_access, told_plainly
from minikube_py.cli.options import cluster_name
from minikube_py.client.access import Access
from minikube_py.client.channels import Command, execute
from minikube_py.client.rest import Client


@dataclass(frozen=True, slots=True)
class Resolver:
    """How names are looked up: on which node, with which search list, and from how many dots on as they are."""

    node: str
    searches: tuple[str, ...]
    ndots: int = 5
    nameservers: tuple[str, ...] = ()


@click.command("dns")
@cluster_name
@click.option(
    "--from", "pod", metavar="[NAMESPACE/]POD", help="Look up as this pod does. Default: as a pod of `default`."
)
@click.option("--type", "kinds", metavar="TYPE", multiple=True, help="Record types to ask for. Default: A and AAAA.")
@click.argument("wanted", metavar="NAME")
def dns(name: str, pod: str | None, kinds: Sequence[str], wanted: str) -> None:
    """Look NAME up and show every question, its answer and the object that it came from.

    Exit status 1: the name does not resolve.
    """
    with told_plainly(name):
        found = asyncio.run(_look_up(cluster_access(name), pod, wanted, kinds or ("A", "AAAA")))
    raise SystemExit(0 if found else 1)


def names_tried(wanted: str, resolver: Resolver) -> Iterator[str]:
    """The names that a resolver asks for in turn (resolv.conf(5)): a name with few dots goes through the list first."""
    if wanted.endswith("."):
        yield wanted
        return
    searched = [f"{wanted}.{suffix}." for suffix in resolver.searches]
    as_it_is = [f"{wanted}."]
    yield from as_it_is + searched if wanted.count(".") >= resolver.ndots else searched + as_it_is


def parse_resolv_conf(text: str, node: str) -> Resolver:
    """A pod's resolv.conf."""
    searches: tuple[str, ...] = ()
    nameservers: list[str] = []
    ndots = 1
    for line in text.splitlines():
        word, *values = line.split() or [""]
        if word == "search":
            searches = tuple(values)
        elif word == "nameserver" and values:
            nameservers.append(values[0])
        for value in values if word == "options" else ():
            ndots = int(value.removeprefix("ndots:")) if value.startswith("ndots:") else ndots
    return Resolver(node, searches, ndots, tuple(nameservers))


async def _look_up(access: Access, pod: str | None, wanted: str, kinds: Sequence[str]) -> bool:
    async with Client.from_access(access) as client:
        resolver = await (resolver_of(client, access, pod) if pod else _resolver_of_default(client))
        click.echo(f"search {' '.join(resolver.searches) or '(none)'}, ndots {resolver.ndots}, on node {resolver.node}")
        cluster = (await debug_table(client, resolver.node))["addresses"]
        if resolver.nameservers and resolver.nameservers[0] not in cluster:
            click.echo(f"the pod does not ask the cluster's DNS but {', '.join(resolver.nameservers)}", err=True)
            return False
        for name in names_tried(wanted, resolver):
            answers = [await debug_table(client, resolver.node, name=name, type=kind) for kind in kinds]
            for answer in answers:
                _show(answer)
            if any(answer["answers"] and answer["rcode"] == "NOERROR" for answer in answers):
                return True
    return False


async def debug_table(client: Client, node: str, **query: str) -> dict[str, Any]:
    """The DNS table of a node's agent; with a query, the answer to a question."""
    table: dict[str, Any] = orjson.loads(await client.raw(f"/api/v1/nodes/{node}/proxy/debug/dns", query=query))
    return table


async def resolver_of(client: Client, access: Access, pod: str) -> Resolver:
    """The pod's own file tells, whatever made it."""
    namespace, _, name = pod.rpartition("/")
    namespace = namespace or "default"
    node = str((await client.get(resources.PODS, name, namespace))["spec"].get("nodeName") or "")
    if not node:
        raise click.ClickException(f"pod {namespace}/{name} has no node yet")
    output = bytearray()
    command = Command(namespace, name, ["cat", "/etc/resolv.conf"])
    code = await execute(access, command, stdout=output.extend, stderr=lambda _: None)
    if code:
        raise click.ClickException(f"cannot read /etc/resolv.conf in pod {namespace}/{name}")
    return parse_resolv_conf(output.decode(errors="replace"), node)


async def _resolver_of_default(client: Client) -> Resolver:
    nodes = (await client.list(resources.NODES)).items
    ready = [name_of(node) for node in nodes if condition_is_true(node.get("status", {}).get("conditions"), "Ready")]
    if not ready:
        raise click.ClickException("no node is Ready")
    domain = (await debug_table(client, ready[0]))["domain"]
    return Resolver(ready[0], (f"default.svc.{domain}", f"svc.{domain}", domain))


def _show(answer: dict[str, Any]) -> None:
    source = f"   from {', '.join(answer['from'])}" if answer["from"] else ""
    outcome = answer["rcode"] if answer["answers"] or answer["rcode"] != "NOERROR" else "no such record"
    click.echo(f"  {answer['name']}. {answer['type']:<5} {outcome}{source}")
    for record in answer["answers"]:
        click.echo(f"      {record['name']} {record['ttl']} {record['type']} {record['data']}")
