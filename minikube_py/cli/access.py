"""How a command reaches its cluster's API server: by the cluster's own kubeconfig."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from minikube_py.api.errors import StatusError
from minikube_py.cli.options import no_cluster, plain
from minikube_py.client.access import Access
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.kubeconfig import KubeconfigFault, load_kubeconfig
from minikube_py.client.rest import Client
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.documents import read_document


def cluster_access(name: str) -> Access:
    """The administrator's access to cluster ``name``. Raises ClickException where there is none."""
    path = ClusterPaths.of(name).kubeconfig
    if not path.exists():
        raise no_cluster(name)
    try:
        return load_kubeconfig([path]).access
    except (KubeconfigFault, OSError) as error:
        raise click.ClickException(plain(error)) from error


def cluster_client(name: str) -> Client:
    """A client with the administrator's access; use it in ``async with``."""
    return Client.from_access(cluster_access(name))


def load_balancers(name: str) -> str:
    """The range of the load balancers' addresses of cluster ``name``, of the usual ones where it left no word."""
    try:
        config = read_document(ClusterConfig, ClusterPaths.of(name).cluster_file)
    except (OSError, ValueError):
        config = ClusterConfig()
    return config.network.load_balancer_cidrs[0]


@contextmanager
def told_plainly(name: str) -> Iterator[None]:
    """Turns what an API server may answer into one line for the user."""
    try:
        yield
    except StatusError as error:
        raise click.ClickException(error.message) from error
    except ConnectionFailed as error:
        raise click.ClickException(f'cluster "{name}" does not answer: {error}') from error
