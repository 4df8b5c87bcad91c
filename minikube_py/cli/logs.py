"""`minik logs`: what the cluster's own parts say. (Pods' logs: `kubectl logs`.)"""

from __future__ import annotations

import os
import sys

import click

from minikube_py.cli.options import cluster_name
from minikube_py.cluster.paths import ClusterPaths


@click.command()
@cluster_name
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is added.")
@click.option("--tail", default=200, show_default=True, help="Lines of each part; -1 for all.")
@click.argument("part", required=False)
def logs(name: str, follow: bool, tail: int, part: str | None) -> None:
    """Print the logs of the cluster's parts: supervisor, apiserver, controlplane, agent-NODE, machine-NODE."""
    folder = ClusterPaths.of(name).logs
    files = sorted(folder.glob(f"{part or '*'}.log"))
    if not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
        raise click.ClickException(f"no part {part!r}: there are {known}" if known else f'there is no cluster "{name}"')
    lines = "+1" if tail < 0 else str(tail)
    command = ["tail", "-n", lines, *(["-F"] if follow else []), "--", *map(str, files)]
    sys.stdout.flush()
    os.execvp("tail", command)
