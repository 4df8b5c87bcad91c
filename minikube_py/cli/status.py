"""`minik status`: the processes of a cluster and its nodes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import click

from minikube_py.api import resources
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.fault import Found, describe, faults_of
from minikube_py.cli.options import cluster_name, no_cluster
from minikube_py.cluster.command import commands_of
from minikube_py.cluster.control import ClusterNotRunning
from minikube_py.cluster.paths import ClusterPaths


@click.command()
@cluster_name
def status(name: str) -> None:
    """Show whether the cluster runs, its processes and its nodes. Exit status 1: something is not well."""
    paths = ClusterPaths.of(name)
    try:
        answer = commands_of(paths).status()
    except ClusterNotRunning:
        raise no_cluster(name) from None
    up_for = int(time.time() - answer["started"])
    click.echo(
        f'Cluster "{name}": up for {up_for} s at {answer["server"]} ({answer["runtime"]} runtime, {answer["where"]})'
    )
    click.echo(f"  outside the cluster: {answer['outside']}")
    parts_well = _show_parts(answer["parts"])
    agents = {part["name"].removeprefix("agent-") for part in answer["parts"] if part["name"].startswith("agent-")}
    nodes_well = _show_nodes(name, agents)
    if not (parts_well and nodes_well):
        raise SystemExit(1)


def _show_parts(parts: list[dict[str, Any]]) -> bool:
    for part in parts:
        state = "stopped" if part["halted"] else "running" if part["pid"] else "starting"
        restarts = f", {part['restarts']} restarts" if part["restarts"] else ""
        click.echo(f"  {part['name']:<24} {state:<10} {'pid ' + str(part['pid']) if part['pid'] else ''}{restarts}")
    return all(part["pid"] for part in parts)


def _show_nodes(cluster: str, expected: set[str]) -> bool:
    with told_plainly(cluster):
        nodes, faults = asyncio.run(_nodes(cluster))
    for name, ready in nodes:
        click.echo(f"  node {name:<19} {'Ready' if ready else 'NotReady'}")
    missing = expected - {name for name, _ in nodes}
    for name in sorted(missing):
        click.echo(f"  node {name:<19} is not registered yet")
    for line in describe(faults):
        click.echo(f"  {line}")
    return not missing and all(ready for _, ready in nodes) and not any(faults.values())


async def _nodes(cluster: str) -> tuple[list[tuple[str, bool]], Found]:
    async with cluster_client(cluster) as client:
        nodes = await client.list(resources.NODES)
        faults = await faults_of(client)
    return [
        (name_of(node), condition_is_true(node.get("status", {}).get("conditions"), "Ready")) for node in nodes.items
    ], faults
