"""`minik down`: the end of a cluster; nothing of it is left."""

from __future__ import annotations

import click

from minikube_py.cli.options import cluster_name, plain
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.teardown import KubeconfigKept, take_down


@click.command()
@cluster_name
def down(name: str) -> None:
    """Stop a cluster and remove everything it made, its kubeconfig context included."""
    try:
        existed = take_down(name)
    except KubeconfigKept as kept:
        raise click.ClickException(f'cluster "{name}" is gone, but its context may be left: {kept}') from kept
    except (NoEngine, OSError) as error:
        raise click.ClickException(plain(error)) from error
    click.echo(f'Cluster "{name}" is gone.' if existed else f'There is no cluster "{name}".')
