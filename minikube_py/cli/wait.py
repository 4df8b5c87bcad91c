"""`minik wait`: until an object is as it should be, for machines that have no kubectl."""

from __future__ import annotations

import asyncio

import click

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.meta import condition_is_true
from minikube_py.api.resources import Resource, ResourceTable
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client


@click.command()
@cluster_name
@namespace_option
@click.option("--for", "condition", default="Available", show_default=True, help="The condition that must be True.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait.")
@click.argument("what", metavar="KIND/NAME")
def wait(name: str, namespace: str, condition: str, timeout: float, what: str) -> None:
    """Wait until KIND/NAME has the condition."""
    resource, object_name = _parse(what)

    async def run() -> None:
        async with cluster_client(name) as client, asyncio.timeout(timeout):
            await _condition(client, resource, object_name, namespace, condition)

    try:
        with told_plainly(name):
            asyncio.run(run())
    except TimeoutError:
        raise click.ClickException(f"{what} is not {condition} after {timeout:g} seconds") from None
    click.echo(f"{what} is {condition}")


def _parse(what: str) -> tuple[Resource, str]:
    kind, _, name = what.partition("/")
    for resource in ResourceTable().all():
        if name and kind in (resource.plural, resource.singular, *resource.short_names):
            return resource, name
    raise click.BadParameter(f"{what!r} is not KIND/NAME of a known kind")


async def _condition(client: Client, resource: Resource, name: str, namespace: str, condition: str) -> None:
    reached = asyncio.Event()

    def seen(_old: Object | None, new: Object | None) -> None:
        if new is not None and condition_is_true((new.get("status") or {}).get("conditions"), condition):
            reached.set()

    tasks = TaskSet("wait")
    informer = Informer(
        client,
        resource,
        namespace=namespace if resource.namespaced else None,
        field_selector=f"metadata.name={name}",
        tasks=tasks,
        clock=SystemClock(),
    )
    informer.subscribe(seen)
    informer.start()
    try:
        await reached.wait()
    finally:
        await tasks.close()
