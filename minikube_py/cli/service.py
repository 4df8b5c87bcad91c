"""`minik service`: where each Service answers on this machine, without a kubectl proxy and without privileges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click

from minikube_py.api import resources
from minikube_py.api.meta import annotations_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.cloud.views import PUBLISHED_ANNOTATION, ingress_of

_LOOPBACKS = {"IPv4": "127.0.0.1", "IPv6": "[::1]"}
_HEADINGS = ("SERVICE", "TYPE", "ON THIS MACHINE")


class _ByName(click.Group):
    """What is no command is the name of a Service: ``minik service web`` is ``minik service show web``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = not args or args[0] in (*self.commands, *ctx.help_option_names)
        return super().parse_args(ctx, args if known else ["show", *args])


@click.group(cls=_ByName)
def service() -> None:
    """Show where Services answer on this machine: `minik service list`, or `minik service NAME [--url]`."""


@service.command("list", short_help="List the Services of all namespaces.")
@cluster_name
def list_(name: str) -> None:
    """List the Services of all namespaces with their addresses on this machine."""
    with told_plainly(name):
        services = asyncio.run(_services(name))
    rows = [_HEADINGS, *(_row(one) for one in services)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for first, second, where in rows:
        click.echo(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {where}")


@service.command()
@cluster_name
@namespace_option
@click.option("--url", is_flag=True, help="Print nothing but a URL for every TCP port.")
@click.argument("service_name", metavar="NAME")
def show(name: str, namespace: str, url: bool, service_name: str) -> None:
    """Show where Service NAME answers on this machine."""
    with told_plainly(name):
        found = asyncio.run(_service(name, namespace, service_name))
    addresses = published_addresses(found)
    if url:
        addresses = [address for address in addresses if address.startswith("http://")]
    if not addresses:
        raise click.ClickException(f"{namespace}/{service_name} {_why_not(found)}")
    for address in addresses:
        click.echo(address)


def published_addresses(service: Object) -> list[str]:
    """A URL for each TCP port on this machine, ``host:port/protocol`` for others; load-balancer ports first."""
    return [*_balanced(service), *_node_ports(service["spec"])]


def _row(service: Object) -> tuple[str, str, str]:
    where = "  ".join(published_addresses(service)) or _why_not(service)
    return f"{namespace_of(service)}/{name_of(service)}", service["spec"].get("type", ""), where


def _why_not(service: Object) -> str:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return f"is a name only: {spec.get('externalName')}"
    if spec.get("type") == "LoadBalancer" and not ingress_of(service):
        return "waits for an address"
    return "is reached inside the cluster only"


def _balanced(service: Object) -> Iterator[str]:
    """Out of the cloud provider's annotation: ``80/TCP=127.0.231.1:8080,…``."""
    for entry in annotations_of(service).get(PUBLISHED_ANNOTATION, "").split(","):
        port, separator, address = entry.partition("=")
        if separator:
            yield _shown(address, port.partition("/")[2])


def _node_ports(spec: Object) -> Iterator[str]:
    for family in spec.get("ipFamilies") or ("IPv4",):
        for port in spec.get("ports") or ():
            if port.get("nodePort"):
                yield _shown(f"{_LOOPBACKS[family]}:{port['nodePort']}", port.get("protocol", "TCP"))


def _shown(address: str, protocol: str) -> str:
    return f"http://{address}" if protocol == "TCP" else f"{address}/{protocol}"


async def _services(cluster: str) -> list[Object]:
    async with cluster_client(cluster) as client:
        return (await client.list(resources.SERVICES)).items


async def _service(cluster: str, namespace: str, name: str) -> Object:
    async with cluster_client(cluster) as client:
        return await client.get(resources.SERVICES, name, namespace)
