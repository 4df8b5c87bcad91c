"""`minik graph`: Services, EndpointSlices, pods and nodes as a picture. It is made in `minikube_py.insight.graph`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from minikube_py.api import resources
from minikube_py.api.meta import name_of
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.insight.graph.mermaid import mermaid
from minikube_py.insight.graph.model import Graph, draw
from minikube_py.insight.graph.svg import svg
from minikube_py.insight.graph.text import text

_RENDERERS = {"text": text, "mermaid": mermaid, "svg": svg}


@click.command()
@cluster_name
@namespace_option
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@click.option(
    "-o", "--output", type=click.Choice(list(_RENDERERS)), default="text", show_default=True, help="The form."
)
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.argument("service", required=False, default="")
def graph(name: str, namespace: str, everywhere: bool, output: str, file: Path | None, service: str) -> None:
    """Show which Services lead to which pods on which nodes; of one SERVICE, or of all."""
    with told_plainly(name):
        picture = _RENDERERS[output](asyncio.run(_draw(name, "" if everywhere else namespace, service)))
    if file is None:
        click.echo(picture, nl=False)
        return
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(str(error)) from error


async def _draw(cluster: str, namespace: str, service: str) -> Graph:
    where = namespace or None
    async with cluster_client(cluster) as client:
        services = (await client.list(resources.SERVICES, where)).items
        if service:
            services = [each for each in services if name_of(each) == service]
            if not services:
                raise click.ClickException(f"there is no Service {service}")
        return draw(
            services=services,
            slices=(await client.list(resources.ENDPOINTSLICES, where)).items,
            pods=[] if service else (await client.list(resources.PODS, where)).items,
            nodes=(await client.list(resources.NODES)).items,
        )
