"""`minik version`."""

from __future__ import annotations

import click

from minikube_py import __version__
from minikube_py.api.resources import KUBERNETES_VERSION


@click.command()
def version() -> None:
    """Print the versions of minik and of the Kubernetes API it serves."""
    click.echo(f"minik {__version__} (Kubernetes {KUBERNETES_VERSION})")
