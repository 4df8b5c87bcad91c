"""Options that several commands share, and what they say when the cluster that was chosen is not there."""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem

_USUAL_NAME = "minik"


def _usual_name() -> str:
    return os.environ.get("MINIK_CLUSTER", _USUAL_NAME)


def _checked(_ctx: click.Context, _param: click.Parameter, name: str) -> str:
    """A name becomes part of paths that `minik down` removes: none but a proper one goes on."""
    from minikube_py.config.cluster import NAME_RULE, is_cluster_name  # --help does not need it

    if not is_cluster_name(name):
        raise click.BadParameter(NAME_RULE)
    return name


def _existing(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from minikube_py.cluster.paths import existing_clusters

    return [CompletionItem(name) for name in existing_clusters() if name.startswith(incomplete)]


#: ``--name``: which cluster a command is about.
cluster_name = click.option(
    "--name",
    "name",
    default=_usual_name,
    show_default="minik, or $MINIK_CLUSTER",
    callback=_checked,
    shell_complete=_existing,
    help="The cluster.",
)


def plain(error: Exception) -> str:
    """What a person reads of it: the file and what is wrong with it, without Python's numbers."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def no_cluster(name: str) -> click.ClickException:
    """What a command raises whose cluster is not there: with the way to start it, and the others there are."""
    from minikube_py.cluster.paths import ClusterPaths, existing_clusters

    state = "is not running" if ClusterPaths.of(name).root.exists() else "does not exist"
    start = "minik up" if name == _usual_name() else f"minik up --name {name}"
    others = ", ".join(other for other in existing_clusters() if other != name)
    choice = f" (or choose one by --name: {others})" if others else ""
    return click.ClickException(f'cluster "{name}" {state}: start it with `{start}`{choice}')
