"""`minik kubeconfig`: the way into the cluster, on standard output or merged into the user's file."""

from __future__ import annotations

import click

from minikube_py.cli.options import cluster_name, no_cluster, plain
from minikube_py.cluster import kubeconfig as files
from minikube_py.cluster.paths import ClusterPaths


@click.command()
@cluster_name
@click.option("--merge", is_flag=True, help="Merge it into $KUBECONFIG or ~/.kube/config instead of printing it.")
def kubeconfig(name: str, merge: bool) -> None:
    """Print a kubeconfig for the cluster."""
    path = ClusterPaths.of(name).kubeconfig
    if not path.exists():
        raise no_cluster(name)
    if not merge:
        click.echo(path.read_text(), nl=False)
        return
    try:
        files.add_to(files.user_kubeconfig(), files.read(path))
    except (files.KubeconfigBusy, ValueError, OSError) as error:
        raise click.ClickException(plain(error)) from error
    click.echo(f'Context "{name}" is in {files.user_kubeconfig()}')
