"""`minik image`: images without a registry. All nodes of a machine share what is loaded once."""

from __future__ import annotations

import asyncio
from typing import IO, Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.meta import name_of
from minikube_py.cli.access import cluster_access, cluster_client, told_plainly
from minikube_py.cli.options import cluster_name
from minikube_py.client.uploads import upload


@click.group()
def image() -> None:
    """Load images and list them."""


@image.command()
@cluster_name
@click.argument("file", type=click.File("rb"))
def load(name: str, file: IO[bytes]) -> None:
    """Load the images of FILE, an archive of `docker save` or an OCI layout (- is standard input)."""
    with told_plainly(name):
        path = asyncio.run(_node_path(name, "images/load"))
        answer = asyncio.run(upload(cluster_access(name), path, file))
    for loaded in answer["images"]:
        click.echo(f"Loaded {', '.join(loaded['names']) or loaded['id']}")


@image.command("list")
@cluster_name
def list_(name: str) -> None:
    """List the images that pods can be made from."""
    with told_plainly(name):
        answer = asyncio.run(_images(name))
    for one in answer["images"]:
        click.echo(f"{', '.join(one['names']) or '<none>':<60} {_size(one['sizeBytes']):>10}")


async def _images(cluster: str) -> Any:
    async with cluster_client(cluster) as client:
        return orjson.loads(await client.raw(await _node_path(cluster, "images")))


async def _node_path(cluster: str, below: str) -> str:
    """The path, through the API server, of an endpoint of the first node's agent."""
    async with cluster_client(cluster) as client:
        nodes = (await client.list(resources.NODES)).items
    if not nodes:
        raise click.ClickException(f'cluster "{cluster}" has no node')
    return f"{resources.NODES.path(name=name_of(nodes[0]), subresource='proxy')}/{below}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
