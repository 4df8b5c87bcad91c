"""`minik container PART`: what each container of ``compose/`` runs. It sets its place up and becomes the part."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

import click

from minikube_py.cluster import containers
from minikube_py.cluster.engine import LABEL, NODE_LABEL, engine_socket, remove_containers
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.leftovers import remove_memory_volumes
from minikube_py.cluster.plan import ClusterPlan
from minikube_py.config.documents import read_document
from minikube_py.config.parts import AgentConfig, APIServerConfig, ControlPlaneConfig, Told

_CONTROLPLANE = "minikube_py.cluster.controlplane:main"


@click.group()
def container() -> None:
    """Run one part of a cluster in its container (see compose/)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


@container.command(short_help="The API server.")
@click.option("--api-port", default=6443, show_default=True, help="The port at which the host reaches it.")
def apiserver(api_port: int) -> None:
    """The API server, after it has written certificates and configurations for all."""
    plan = _plan()
    containers.prepare(plan, api_port=api_port)
    containers.join_network(plan)
    containers.become_nobody()
    sys.exit(_run(plan, "apiserver.app:main", "apiserver", APIServerConfig))


@container.command()
def controlplane() -> None:
    """Scheduler and controllers."""
    sys.exit(_run(_plan(), _CONTROLPLANE, "controlplane", ControlPlaneConfig))


@container.command(short_help="The load balancers outside the cluster.")
def cloud() -> None:
    """The load balancers outside the cluster, and the door for the ports that the host publishes."""
    sys.exit(_run(_plan(), _CONTROLPLANE, "cloud", ControlPlaneConfig))


@container.command()
def agent() -> None:
    """One node. Switched off in order, it takes its pods along; killed, it finds them again."""
    plan = _plan()
    try:
        node = containers.own_node(plan, os.environ)
        containers.join_network(plan, node)
        code = _run(plan, "agent.app:main", f"agent-{node.name}", AgentConfig)
        if code == 0:
            remove_containers(engine_socket(), {LABEL: plan.paths.label, NODE_LABEL: node.name})
            remove_memory_volumes(plan.paths.node_state(node.name))
    except (NoEngine, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(code)


def _plan() -> ClusterPlan:
    try:
        return containers.container_plan(os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _run(plan: ClusterPlan, entry: str, part: str, kind: type[Told]) -> int:
    """The parts are named by string: the command line must not depend on the programs it can start."""
    module, _, function = entry.partition(":")
    main: Any = getattr(importlib.import_module(module), function)
    return int(main(read_document(kind, containers.config_file(plan, part))))
