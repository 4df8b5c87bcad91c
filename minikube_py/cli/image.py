"""`minik image`: images without a registry. All nodes of one runtime share what is loaded once."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from typing import IO, Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_access, cluster_client, told_plainly
from minikube_py.cli.options import cluster_name
from minikube_py.client.uploads import upload

_DOCKER = "minik-docker://"


@click.group()
def image() -> None:
    """Build images, load them and list them."""


@image.command(short_help="Load the images of an archive.")
@cluster_name
@click.argument("file", type=click.File("rb"))
def load(name: str, file: IO[bytes]) -> None:
    """Load the images of FILE, an archive of `docker save` or an OCI layout (- is standard input)."""
    with told_plainly(name):
        nodes = _a_node_of_each_runtime(asyncio.run(_nodes(name)))
    click.echo(f"Loading {file.name} ...", err=True)  # a large one takes a while
    if len(nodes) == 1:
        _upload(name, nodes, file)
        return
    with tempfile.TemporaryFile() as spool:  # read once for each runtime
        shutil.copyfileobj(file, spool)
        _upload(name, nodes, spool)


@image.command(short_help="Build an image with Docker and load it.")
@cluster_name
@click.option("--tag", "-t", required=True, help="The image's name.")
@click.option("--file", "-f", "dockerfile", type=click.Path(exists=True), help="The Dockerfile; DIRECTORY/Dockerfile.")
@click.argument("directory", type=click.Path(exists=True, file_okay=False))
def build(name: str, tag: str, dockerfile: str | None, directory: str) -> None:
    """Build an image from a Dockerfile with this machine's Docker engine and load it where nodes need it."""
    with told_plainly(name):
        nodes = asyncio.run(_nodes(name))
    _docker("build", "--tag", tag, *(("--file", dockerfile) if dockerfile else ()), directory)
    others = [node for node in _a_node_of_each_runtime(nodes) if not _runs_docker(node)]
    if not others:
        return  # the engine that has built it runs it
    with tempfile.TemporaryFile() as archive:
        _docker("save", tag, output=archive)
        _upload(name, others, archive)


@image.command("list")
@cluster_name
def list_(name: str) -> None:
    """List the images that pods can be made from."""
    with told_plainly(name):
        found = asyncio.run(_images(name))
    for one in found:
        click.echo(f"{', '.join(one['names']) or '<none>':<60} {_size(one['sizeBytes']):>10}")


def _upload(cluster: str, nodes: Iterable[Object], file: IO[bytes]) -> None:
    names: dict[str, None] = {}
    for node in nodes:
        if file.seekable():
            file.seek(0)
        with told_plainly(cluster):
            answer = asyncio.run(upload(cluster_access(cluster), _path(node, "images/load"), file))
        names |= {", ".join(loaded["names"]) or loaded["id"]: None for loaded in answer["images"]}
    for text in names:
        click.echo(f"Loaded {text}")


def _docker(*arguments: str, output: IO[bytes] | None = None) -> None:
    """Runs Docker's own client, which shows the progress. Raises ClickException where it fails."""
    program = shutil.which("docker")
    if program is None:
        raise click.ClickException("building needs Docker's client and engine: `docker` is not on the PATH")
    done = subprocess.run([program, *arguments], stdout=output)
    if done.returncode:
        raise click.ClickException(f"`docker {arguments[0]}` ended with code {done.returncode}")


async def _images(cluster: str) -> list[Any]:
    """The images of every runtime, each once."""
    found: dict[str, Any] = {}
    async with cluster_client(cluster) as client:
        for node in _a_node_of_each_runtime(await _nodes(cluster)):
            for one in orjson.loads(await client.raw(_path(node, "images")))["images"]:
                found.setdefault(", ".join(one["names"]) or one["id"], one)
    return list(found.values())


async def _nodes(cluster: str) -> list[Object]:
    async with cluster_client(cluster) as client:
        nodes = list((await client.list(resources.NODES)).items)
    if not nodes:
        raise click.ClickException(f'cluster "{cluster}" has no node')
    return nodes


def _a_node_of_each_runtime(nodes: Iterable[Object]) -> list[Object]:
    """Nodes of one machine share a runtime's images: one of each is asked."""
    found: dict[bool, Object] = {}
    for node in nodes:
        found.setdefault(_runs_docker(node), node)
    return list(found.values())


def _runs_docker(node: Object) -> bool:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return str(info.get("containerRuntimeVersion") or "").startswith(_DOCKER)


def _path(node: Object, below: str) -> str:
    """The path, through the API server, of an endpoint of the node's agent."""
    return f"{resources.NODES.path(name=name_of(node), subresource='proxy')}/{below}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
