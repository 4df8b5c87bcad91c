"""`minik node`: a node's power switch and its network cable, for tests and lessons."""

from __future__ import annotations

import click

from minikube_py.cli.options import cluster_name, no_cluster
from minikube_py.cluster.command import commands_of
from minikube_py.cluster.control import ClusterNotRunning, ControlRefused
from minikube_py.cluster.paths import ClusterPaths


@click.group()
def node() -> None:
    """Stop, start, cut off and reconnect nodes."""


def _command(word: str, request: str, done: str, text: str) -> None:
    @node.command(word, help=text)
    @cluster_name
    @click.argument("node_name", metavar="NODE")
    def run(name: str, node_name: str) -> None:
        try:
            commands_of(ClusterPaths.of(name)).order(request, node_name)
        except ClusterNotRunning:
            raise no_cluster(name) from None
        except ControlRefused as refusal:
            raise click.ClickException(str(refusal)) from refusal
        click.echo(f"{node_name} {done}")


_command("stop", "stop-node", "is off", "Pull the plug: the node's agent and pods end at once.")
_command("start", "start-node", "is starting", "Switch a stopped node on again.")
_command("partition", "unplug-node", "is cut off", "Cut the node off the network; what runs on it goes on.")
_command("reconnect", "plug-node", "is connected", "Connect a node again that was cut off.")
