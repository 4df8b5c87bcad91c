"""`minik service`: where each Service answers on this machine, without a kubectl proxy and without privileges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import click

from minikube_py.api import resources
from minikube_py.api.meta import annotations_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.cloud.views import PUBLISHED_ANNOTATION

_LOOPBACK = "127.0.0.1"


@click.group()
def service() -> None:
    """Show where Services answer on this machine."""


@service.command("list")
@cluster_name
def list_(name: str) -> None:
    """List the Services of all namespaces with their addresses on this machine."""
    with told_plainly(name):
        services = asyncio.run(_services(name))
    for one in services:
        where = ", ".join(published_addresses(one)) or "inside the cluster only"
        click.echo(f"{namespace_of(one) + '/' + name_of(one):<40} {one['spec'].get('type', ''):<13} {where}")


@service.command()
@cluster_name
@namespace_option
@click.argument("service_name", metavar="NAME")
def url(name: str, namespace: str, service_name: str) -> None:
    """Print a URL for every TCP port of Service NAME that is published on this machine."""
    with told_plainly(name):
        found = asyncio.run(_service(name, namespace, service_name))
    addresses = [address for address in published_addresses(found) if address.endswith("/TCP")]
    if not addresses:
        raise click.ClickException(
            f"{namespace}/{service_name} is reached inside the cluster only: make it a NodePort or a LoadBalancer"
        )
    for address in addresses:
        click.echo(f"http://{address.removesuffix('/TCP')}")


def published_addresses(service: Object) -> list[str]:
    """``host:port/protocol`` on this machine, load-balancer ports first."""
    return [*_balanced(service), *_node_ports(service["spec"].get("ports") or ())]


def _balanced(service: Object) -> Iterator[str]:
    """Out of the cloud provider's annotation: ``80/TCP=127.0.231.1:8080,…``."""
    for entry in annotations_of(service).get(PUBLISHED_ANNOTATION, "").split(","):
        port, separator, address = entry.partition("=")
        if separator:
            yield f"{address}/{port.partition('/')[2]}"


def _node_ports(ports: Any) -> Iterator[str]:
    for port in ports:
        if port.get("nodePort"):
            yield f"{_LOOPBACK}:{port['nodePort']}/{port.get('protocol', 'TCP')}"


async def _services(cluster: str) -> list[Object]:
    async with cluster_client(cluster) as client:
        return (await client.list(resources.SERVICES)).items


async def _service(cluster: str, namespace: str, name: str) -> Object:
    async with cluster_client(cluster) as client:
        return await client.get(resources.SERVICES, name, namespace)
