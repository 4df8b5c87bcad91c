"""`minik logs`: what the cluster's own parts say. (Pods' logs: `kubectl logs`.)"""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatch
from typing import NoReturn

import click

from minikube_py.cli.options import cluster_name, no_cluster
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.paths import ClusterPaths


@click.command()
@cluster_name
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is added.")
@click.option("--tail", default=200, show_default=True, help="Lines of each part; -1 for all.")
@click.argument("part", required=False)
def logs(name: str, follow: bool, tail: int, part: str | None) -> None:
    """Print the logs of the cluster's parts: supervisor, apiserver, controlplane, agent-NODE, machine-NODE."""
    paths = ClusterPaths.of(name)
    if paths.composed_file.exists():
        _follow_containers(paths, part, tail=tail, follow=follow)
    folder = paths.logs
    known = sorted(folder.glob("*.log"))
    files = [path for path in known if fnmatch(path.stem, part or "*")]
    if not known:
        raise no_cluster(name)
    if not files:
        raise click.ClickException(f"no part {part!r}: there are {', '.join(path.stem for path in known)}")
    lines = "+1" if tail < 0 else str(tail)
    command = ["tail", "-n", lines, *(["-F"] if follow else []), "--", *map(str, files)]
    sys.stdout.flush()
    os.execvp("tail", command)


def _follow_containers(paths: ClusterPaths, part: str | None, *, tail: int, follow: bool) -> NoReturn:
    """Hands over to Compose. Its parts: apiserver, controlplane, cloud, agent (all of them)."""
    from minikube_py.cluster.composed.project import Composition  # few need it
    from minikube_py.cluster.composed.settings import saved_settings

    settings = saved_settings(paths)
    if settings is None:
        raise click.ClickException(f"{paths.composed_file} is damaged: `minik down` removes the cluster")
    composition = Composition(settings)
    lines = ["--tail", "all" if tail < 0 else str(tail)]
    try:
        command = [*composition.command(), "logs", *lines, *(["--follow"] if follow else []), *([part] if part else [])]
    except NoEngine as fault:
        raise click.ClickException(str(fault)) from fault
    os.execvpe(command[0], command, composition.environment())
