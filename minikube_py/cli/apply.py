"""`minik apply` and `minik delete`: manifests in, for machines that have no kubectl."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import click

from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.resources import ResourceTable
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.manifests import read_manifests
from minikube_py.cli.options import cluster_name
from minikube_py.client.rest import Client, PatchKind

_FIELD_MANAGER = "minik"
#: What is done with one object, given the namespace of those that name none; returns the line to print.
Act = Callable[[Client, Object, str], Awaitable[str]]

files = click.option("-f", "--filename", "paths", multiple=True, required=True, help="A file, a directory, or -.")
namespace_option = click.option("-n", "--namespace", default="default", show_default=True, help="The namespace.")


@click.command()
@cluster_name
@files
@namespace_option
def apply(name: str, paths: Sequence[str], namespace: str) -> None:
    """Create or change what the manifests describe (server-side apply)."""
    _each(name, paths, namespace, _apply_one)


@click.command()
@cluster_name
@files
@namespace_option
def delete(name: str, paths: Sequence[str], namespace: str) -> None:
    """Delete what the manifests describe."""
    _each(name, paths, namespace, _delete_one)


def _each(cluster: str, paths: Sequence[str], namespace: str, act: Act) -> None:
    async def run() -> bool:
        well = True
        async with cluster_client(cluster) as client:
            for obj in read_manifests(paths):
                try:
                    click.echo(await act(client, obj, namespace))
                except StatusError as error:
                    click.echo(f"Error: {error.message}", err=True)
                    well = False
        return well

    with told_plainly(cluster):
        if not asyncio.run(run()):
            raise SystemExit(1)


async def _apply_one(client: Client, obj: Object, namespace: str) -> str:
    resource = ResourceTable().for_object(obj)
    where = (namespace_of(obj) or namespace) if resource.namespaced else None
    await client.patch(
        resource, name_of(obj), obj, where, kind=PatchKind.APPLY, field_manager=_FIELD_MANAGER, force=True
    )
    return f"{resource.kind.lower()}/{name_of(obj)} applied"


async def _delete_one(client: Client, obj: Object, namespace: str) -> str:
    resource = ResourceTable().for_object(obj)
    where = (namespace_of(obj) or namespace) if resource.namespaced else None
    try:
        await client.delete(resource, name_of(obj), where)
    except NotFound:
        return f"{resource.kind.lower()}/{name_of(obj)} was not there"
    return f"{resource.kind.lower()}/{name_of(obj)} deleted"
