"""`minik exec`: a command in a pod, for machines that have no kubectl."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import click

from minikube_py.cli.access import cluster_access, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.client.channels import Command, execute


@click.command("exec", context_settings={"ignore_unknown_options": True})
@cluster_name
@namespace_option
@click.option("-c", "--container", default="", help="The container; the first where there are several.")
@click.argument("pod")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, namespace: str, container: str, pod: str, command: Sequence[str]) -> None:
    """Run COMMAND in POD; exits as it does."""
    task = Command(namespace, pod, command, container)
    access = cluster_access(name)
    with told_plainly(name):
        code = asyncio.run(execute(access, task, stdout=sys.stdout.buffer.write, stderr=sys.stderr.buffer.write))
    sys.stdout.buffer.flush()
    raise SystemExit(code)
