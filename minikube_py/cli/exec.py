"""`minik exec`: a command in a pod, for machines that have no kubectl."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import click

from minikube_py.api.errors import StatusError
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.client.channels import Command, execute
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.kubeconfig import load_access
from minikube_py.cluster.paths import ClusterPaths


@click.command("exec", context_settings={"ignore_unknown_options": True})
@cluster_name
@namespace_option
@click.option("-c", "--container", default="", help="The container; the first where there are several.")
@click.argument("pod")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, namespace: str, container: str, pod: str, command: Sequence[str]) -> None:
    """Run COMMAND in POD; exits as it does."""
    task = Command(namespace, pod, command, container)
    try:
        access = load_access(ClusterPaths.of(name).kubeconfig)
        code = asyncio.run(execute(access, task, stdout=sys.stdout.buffer.write, stderr=sys.stderr.buffer.write))
    except StatusError as error:
        raise click.ClickException(error.message) from error
    except (ConnectionFailed, FileNotFoundError) as error:
        raise click.ClickException(f'cluster "{name}" does not answer: {error}') from error
    raise SystemExit(code)
