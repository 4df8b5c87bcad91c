"""`minik why`: the one cause of what does not work, and its fix. The judgement is in `minikube_py.insight.why`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import click
import orjson

from minikube_py.api import resources
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.types import Object
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.apply import namespace_option
from minikube_py.cli.options import cluster_name
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client
from minikube_py.insight.why.claims import why_claim
from minikube_py.insight.why.finding import Diagnosis, Finding
from minikube_py.insight.why.nodes import why_node
from minikube_py.insight.why.picture import Picture
from minikube_py.insight.why.pods import why_pod
from minikube_py.insight.why.services import why_service
from minikube_py.insight.why.workloads import why_workload

_WORKLOADS = (
    resources.DEPLOYMENTS,
    resources.STATEFULSETS,
    resources.DAEMONSETS,
    resources.REPLICASETS,
    resources.REPLICATIONCONTROLLERS,
    resources.JOBS,
)
#: How a client library shows its settings within its message.
_TLS_OBJECT = re.compile(r" ssl:<[^>]*>")
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The form."
)


@click.group()
def why() -> None:
    """Tell why something does not work, and what mends it. Exit status 0: it is healthy; 1: it is not."""


@why.command()
@cluster_name
@namespace_option
@output_option
@click.argument("service_name", metavar="NAME")
def service(name: str, namespace: str, output: str, service_name: str) -> None:
    """Why Service NAME does not answer."""
    _tell(name, output, lambda picture: why_service(picture, namespace, service_name))


@why.command()
@cluster_name
@namespace_option
@output_option
@click.argument("pod_name", metavar="NAME")
def pod(name: str, namespace: str, output: str, pod_name: str) -> None:
    """Why pod NAME does not run, or is not ready."""
    _tell(name, output, lambda picture: why_pod(picture, namespace, pod_name))


@why.command()
@cluster_name
@output_option
@click.argument("node_name", metavar="NAME")
def node(name: str, output: str, node_name: str) -> None:
    """Why node NAME takes no pods, or runs none."""
    _tell(name, output, lambda picture: why_node(picture, node_name))


@why.command()
@cluster_name
@namespace_option
@output_option
@click.argument("claim_name", metavar="NAME")
def pvc(name: str, namespace: str, output: str, claim_name: str) -> None:
    """Why PersistentVolumeClaim NAME is not bound."""
    _tell(name, output, lambda picture: why_claim(picture, namespace, claim_name))


def _workload_command(kind: str) -> None:
    """One command per kind of workload: they differ in nothing else."""

    @why.command(kind.lower(), help=f"Why pods of {kind} NAME are missing or do not run.")
    @cluster_name
    @namespace_option
    @output_option
    @click.argument("workload_name", metavar="NAME")
    def workload(name: str, namespace: str, output: str, workload_name: str) -> None:
        _tell(name, output, lambda picture: why_workload(picture, kind, namespace, workload_name))


for _kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
    _workload_command(_kind)


def _tell(cluster: str, output: str, judge: Callable[[Picture], Diagnosis]) -> None:
    with told_plainly(cluster):
        diagnosis = judge(asyncio.run(_look(cluster)))
    if output == "json":
        click.echo(orjson.dumps(diagnosis.as_json(), option=orjson.OPT_INDENT_2))
    else:
        _print(diagnosis)
    raise SystemExit(0 if diagnosis.healthy else 1)


def _print(diagnosis: Diagnosis) -> None:
    click.echo(f"{diagnosis.subject} is healthy" if diagnosis.healthy else f"{diagnosis.subject} is not healthy")
    for number, finding in enumerate(diagnosis.causes):
        _line("cause" if not number else "also", finding)
    for finding in diagnosis.notes:
        _line("note", finding)


def _line(word: str, finding: Finding) -> None:
    click.echo(f"  {word + ':':<6} {finding.cause}")
    if finding.fix:
        click.echo(f"  fix:   {finding.fix}")


async def _look(cluster: str) -> Picture:
    async with cluster_client(cluster) as client:
        nodes = (await client.list(resources.NODES)).items
        tables, silent = await _tables(client, nodes)
        return Picture(
            services=(await client.list(resources.SERVICES)).items,
            slices=(await client.list(resources.ENDPOINTSLICES)).items,
            pods=(await client.list(resources.PODS)).items,
            nodes=nodes,
            workloads=[each for kind in _WORKLOADS for each in (await client.list(kind)).items],
            policies=(await client.list(resources.NETWORKPOLICIES)).items,
            claims=(await client.list(resources.PERSISTENTVOLUMECLAIMS)).items,
            volumes=(await client.list(resources.PERSISTENTVOLUMES)).items,
            classes=(await client.list(resources.STORAGECLASSES)).items,
            events=(await client.list(resources.EVENTS)).items,
            tables=tables,
            silent=silent,
        )


async def _tables(client: Client, nodes: list[Object]) -> tuple[dict[str, Any], dict[str, str]]:
    """Of the Ready nodes only: the others' agents would keep the user waiting to say nothing."""
    tables: dict[str, Any] = {}
    silent: dict[str, str] = {}
    for each in nodes:
        name = name_of(each)
        if not condition_is_true((each.get("status") or {}).get("conditions"), "Ready"):
            continue
        try:
            tables[name] = orjson.loads(await client.raw(f"/api/v1/nodes/{name}/proxy/debug/proxy"))
        except (StatusError, ConnectionFailed) as error:
            silent[name] = _TLS_OBJECT.sub("", str(error))
    return tables, silent
