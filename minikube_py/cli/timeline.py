"""`minik timeline`: every write after an apply, with who made it and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
import orjson

from minikube_py.api.resources import ResourceTable
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.insight.timeline.causes import descending_from, last_apply, with_causes
from minikube_py.insight.timeline.model import Write, place, writes_of
from minikube_py.insight.timeline.text import as_json, waterfall


@click.command()
@cluster_name
@namespace_option
@click.option("--all", "everything", is_flag=True, help="From the first write that the API server remembers.")
@click.option("--events/--no-events", default=False, help="Also the Events that were written.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The form."
)
@click.argument("what", metavar="[KIND/NAME]", default="")
def timeline(name: str, namespace: str, everything: bool, events: bool, output: str, what: str) -> None:
    """Show what happened in a namespace since your last apply: every write, who made it, and what it answers.

    With KIND/NAME: the writes of that object, and all that they led to. The API server remembers about 3,000 writes.
    """
    wanted = _place(what, namespace) if what else ""
    with told_plainly(name):
        entries = asyncio.run(_entries(name, namespace))
    shown = story(entries, wanted=wanted, everything=everything, events=events)
    if output == "json":
        click.echo(orjson.dumps(as_json(shown), option=orjson.OPT_INDENT_2))
    else:
        click.echo(waterfall(shown), nl=False)


def story(entries: Sequence[Mapping[str, Any]], *, wanted: str, everything: bool, events: bool) -> list[Write]:
    """The writes to show, their causes told by revision: lines may be left out between them."""
    told = with_causes([write for write in writes_of(entries) if not write.about_nodes])
    told = [
        replace(write, cause=told[write.cause].revision if write.cause >= 0 else 0)
        for write in _chosen(told, wanted, everything)
    ]
    return [write for write in told if events or write.kind != "Event"]


def _chosen(told: Sequence[Write], wanted: str, everything: bool) -> list[Write]:
    if wanted:
        return [told[number] for number in descending_from(told, wanted)]
    return list(told if everything else told[last_apply(told) :])


def _place(what: str, namespace: str) -> str:
    kind, _, name = what.partition("/")
    for resource in ResourceTable().all():
        if name and kind.lower() in (resource.plural, resource.singular, *resource.short_names):
            return place(resource.kind, namespace if resource.namespaced else "", name)
    raise click.BadParameter(f"{what!r} is not KIND/NAME of a known kind")


async def _entries(cluster: str, namespace: str) -> list[dict[str, Any]]:
    async with cluster_client(cluster) as client:
        found = orjson.loads(await client.raw("/debug/timeline", query={"namespace": namespace}))
    writes: list[dict[str, Any]] = found["writes"]
    return writes
