"""`minik up`: a cluster, step by step, and the kubeconfig context that reaches it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from minikube_py.cli.options import cluster_name, plain
from minikube_py.cluster import kubeconfig
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.launch import launch
from minikube_py.cluster.lock import AlreadyRunning
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.progress import Progress
from minikube_py.config.cluster import ClusterConfig

_STILL_STARTING = 'cluster "{name}" goes on starting: `minik status` shows it, the next `minik up` sets your context'


@click.command()
@cluster_name
@click.option("--nodes", default=1, show_default=True, help="How many nodes.")
@click.option(
    "--runtime",
    type=click.Choice(["auto", "process", "docker", "simulated"]),
    default="process",
    show_default=True,
    help="What pods are made of; auto takes Docker where it can be used.",
)
@click.option(
    "--node-runtime",
    "node_runtimes",
    multiple=True,
    metavar="NODE=RUNTIME",
    help="What the pods of one node are made of; can be repeated.",
)
@click.option(
    "--proxy-mode",
    type=click.Choice(["auto", "userspace", "nftables"]),
    default="userspace",
    show_default=True,
    help="The data plane of Services.",
)
@click.option(
    "--ip-family",
    type=click.Choice(["ipv4", "ipv6", "dual"]),
    default="ipv4",
    show_default=True,
    help="The addresses of nodes, pods and Services.",
)
@click.option(
    "--node-grace", default=40.0, show_default=True, help="Seconds of silence after which a node is NotReady."
)
@click.option("--api-port", default=0, help="The API server's port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--audit-log",
    type=click.Path(dir_okay=False, resolve_path=True, path_type=Path),
    help="Append the API server's audit events to this file, as JSON lines.",
)
@click.option(
    "--audit-policy",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="What the audit log tells: a Policy of audit.k8s.io/v1. [default: the metadata of every request]",
)
@click.option(
    "--wait", default=60.0, show_default=True, help="Seconds to wait for the nodes; 0 does not wait for them."
)
def up(name: str, wait: float, node_runtimes: tuple[str, ...], **settings: Any) -> None:
    """Start a cluster and point kubectl at it. Does nothing to one that runs already."""
    started = time.monotonic()
    config = _configured(name, _pairs(node_runtimes), settings)
    try:
        begun = launch(config)
    except AlreadyRunning:
        _merge(name)
        server = kubeconfig.server_of(ClusterPaths.of(name).kubeconfig)
        click.echo(f'Cluster "{name}" is already running at {server}' if server else _STILL_STARTING.format(name=name))
        return
    except (ValueError, OSError, NoEngine) as error:
        raise click.ClickException(plain(error)) from error
    for remark in filter(None, (begun.plan.runtimes.reason, begun.note)):
        click.echo(f" {click.style('✓', fg='green')} {remark}")
    try:
        _follow(begun.progress(max(0.0, wait)), started)
    except KeyboardInterrupt:
        raise click.ClickException(_STILL_STARTING.format(name=name)) from None
    merged = _merge(name)
    how = f"is up in {time.monotonic() - started:.1f} s" if wait > 0 else "is starting"
    first = f"kubectl --context {name} get nodes" if merged else "kubectl get nodes"
    click.echo(f'Cluster "{name}" {how}. Try:  {first}')


def _configured(name: str, node_runtimes: dict[str, Any], settings: dict[str, Any]) -> ClusterConfig:
    """Raises BadParameter: what is wrong with a field is wrong with the option of its name."""
    try:
        return ClusterConfig(name=name, node_runtimes=node_runtimes, **settings)
    except ValueError as error:
        field, _, fault = str(error).partition(": ")
        option = f"--{field.removesuffix('s') if field == 'node_runtimes' else field}".replace("_", "-")
        raise click.BadParameter(fault, param_hint=option) from error


def _pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        node, equals, runtime = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NODE=RUNTIME", param_hint="--node-runtime")
        pairs[node] = runtime
    return pairs


def _follow(progress: Iterable[Progress], started: float) -> None:
    for line in progress:
        if line.kind == "failed":
            raise click.ClickException(line.text)
        click.echo(f" {click.style('✓', fg='green')} {line.text:<40} {time.monotonic() - started:5.2f} s")


def _merge(name: str) -> bool:
    """Whether the user's kubeconfig has the context now; where it cannot, the user is told of another way."""
    path, own = kubeconfig.user_kubeconfig(), ClusterPaths.of(name).kubeconfig
    if not own.exists():  # the other `minik up` has not come so far
        return False
    try:
        kubeconfig.add_to(path, kubeconfig.read(own))
    except (kubeconfig.KubeconfigBusy, ValueError, OSError) as error:
        click.echo(f"The cluster runs, but {path} was not changed: {plain(error)}", err=True)
        click.echo(f"Use:  export KUBECONFIG={shlex.quote(str(own))}", err=True)
        return False
    return True
