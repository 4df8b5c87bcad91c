"""`minik version`."""

from __future__ import annotations

from importlib.metadata import version as installed

import click

from minikube_py.api.resources import KUBERNETES_VERSION


@click.command()
def version() -> None:
    """Print the versions of minik and of the Kubernetes API it serves."""
    click.echo(f"minik {installed('minikube-py')} (Kubernetes {KUBERNETES_VERSION})")
