"""`minik fault`: breaks a node's Service proxy in a way that real clusters know, and mends it. For lessons, tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.options import cluster_name
from minikube_py.client.rest import Client

Found = dict[str, list[dict[str, Any]]]


@click.group()
def fault() -> None:
    """Break a node's Service proxy on purpose, and mend it."""


@fault.command("drop-watch", short_help="NODE hears no more of Services and endpoints.")
@cluster_name
@click.argument("node")
def drop_watch(name: str, node: str) -> None:
    """NODE hears no more of Services and endpoints, as over a connection that died unnoticed."""
    _make(name, node, "drop-watch")


@fault.command("freeze-proxy")
@cluster_name
@click.argument("node")
def freeze_proxy(name: str, node: str) -> None:
    """NODE's proxy hears everything and carries nothing out."""
    _make(name, node, "freeze-proxy")


@fault.command("delay-slices")
@cluster_name
@click.argument("node")
@click.argument("seconds", type=click.FloatRange(0, 3600, min_open=True))
def delay_slices(name: str, node: str, seconds: float) -> None:
    """NODE hears of every EndpointSlice SECONDS later."""
    _make(name, node, "delay-slices", {"seconds": str(seconds)})


@fault.command("list")
@cluster_name
def list_(name: str) -> None:
    """The faults that are in force."""
    found = _run(name, lambda client: faults_of(client))
    for line in describe(found):
        click.echo(line)
    if not any(found.values()):
        click.echo("No faults.")


@fault.command()
@cluster_name
@click.argument("node", required=False)
def clear(name: str, node: str | None) -> None:
    """Mend NODE, or all nodes: what was held back is heard now."""

    async def mend(client: Client) -> list[str]:
        broken = [node] if node else [each for each, found in (await faults_of(client)).items() if found]
        for each in broken:
            await _ask(client, each, method="DELETE")
        return broken

    mended = _run(name, mend)
    click.echo(f"Mended: {', '.join(mended)}" if mended else "No faults.")


async def faults_of(client: Client) -> Found:
    """The faults of every node that answers."""
    nodes = await client.list(resources.NODES)
    ready = [
        name_of(each) for each in nodes.items if condition_is_true(each.get("status", {}).get("conditions"), "Ready")
    ]
    answers = await asyncio.gather(*(_ask(client, each) for each in ready), return_exceptions=True)
    found: Found = {}
    for each, answer in zip(ready, answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, StatusError):
            raise answer
        found[each] = [] if isinstance(answer, BaseException) else answer
    return found


def describe(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """A line for each fault."""
    return [
        f"fault on {node}: {each['fault']}"
        + (f" by {each['seconds']:g} s" if each.get("seconds") else "")
        + (f", {each['held']} events held back" if each.get("held") else "")
        for node, faults in sorted(found.items())
        for each in faults
    ]


def _make(cluster: str, node: str, kind: str, query: dict[str, str] | None = None) -> None:
    _run(cluster, lambda client: _ask(client, node, f"/{kind}", method="PUT", query=query))
    click.echo(f"{node}: {kind}. Mend it with:  minik fault clear {node}")


async def _ask(
    client: Client, node: str, path: str = "", *, method: str = "GET", query: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    try:
        body = await client.raw(f"/api/v1/nodes/{node}/proxy/faults{path}", query=query, method=method)
    except NotFound as error:
        raise click.ClickException(f"there is no node {node}") from error
    found: list[dict[str, Any]] = orjson.loads(body)["faults"]
    return found


def _run(cluster: str, job: Any) -> Any:
    async def call() -> Any:
        async with cluster_client(cluster) as client:
            return await job(client)

    with told_plainly(cluster):
        return asyncio.run(call())
