"""What users and controllers ask of a cluster all day, at random: scale, roll, delete, run to the end, look inside."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import yaml

from benchmarks.chaos.target import NAMESPACE
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import is_deleting, name_of
from minikube_py.api.resources import (
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    STATEFULSETS,
    ResourceTable,
)
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client, PatchKind

Turn = Callable[[Client, random.Random], Awaitable[str]]
WORKLOADS = Path(__file__).with_name("workloads.yaml")
_READING_SECONDS = 1.0


async def set_up(client: Client) -> None:
    """The workloads, in a namespace of their own."""
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    await restore(client)


async def restore(client: Client) -> bool:
    """All workloads as they are written; the churn may have deleted some. False where one is still on its way out."""
    table, stays = ResourceTable(), True
    for obj in yaml.safe_load_all(WORKLOADS.read_text()):
        resource = table.for_object(obj)
        metadata = obj["metadata"] | {"namespace": NAMESPACE}
        found = await client.patch(
            resource, name_of(obj), obj | {"metadata": metadata}, NAMESPACE,
            kind=PatchKind.APPLY, field_manager="chaos", force=True,
        )  # fmt: skip
        stays = stays and not is_deleting(found)
    for node in (await client.list(NODES)).items:
        await client.patch(NODES, name_of(node), {"spec": {"unschedulable": None}})
    return stays


async def scale(client: Client, dice: random.Random) -> str:
    resource, name = dice.choice(((DEPLOYMENTS, "web"), (STATEFULSETS, "db")))
    replicas = dice.randint(0, 8)
    await client.patch(resource, name, {"spec": {"replicas": replicas}}, NAMESPACE)
    return f"{name} scaled to {replicas}"


async def roll(client: Client, dice: random.Random) -> str:
    resource, name = dice.choice(((DEPLOYMENTS, "web"), (STATEFULSETS, "db"), (DAEMONSETS, "log")))
    template = {"metadata": {"annotations": {"version": str(dice.random())}}}
    await client.patch(resource, name, {"spec": {"template": template}}, NAMESPACE)
    return f"{name} rolled"


async def delete_pods(client: Client, dice: random.Random) -> str:
    pods = (await client.list(PODS, NAMESPACE)).items
    chosen = dice.sample(pods, min(len(pods), dice.randint(1, 4)))
    grace = dice.choice((None, 0, 1, 5))
    for pod in chosen:
        with suppress(StatusError):
            await client.delete(PODS, name_of(pod), NAMESPACE, grace_seconds=grace)
    return f"deleted {len(chosen)} pods with grace {grace}"


async def relabel_a_pod(client: Client, dice: random.Random) -> str:
    """Its owner lets it go and makes another; Services leave it."""
    pods = (await client.list(PODS, NAMESPACE, label_selector="app=web")).items
    if not pods:
        return "no pod to relabel"
    name = name_of(dice.choice(pods))
    await client.patch(PODS, name, {"metadata": {"labels": {"app": "loose"}}}, NAMESPACE)
    return f"{name} relabelled"


async def change_settings(client: Client, dice: random.Random) -> str:
    await client.patch(CONFIGMAPS, "settings", {"data": {"greeting": f"hello {dice.random()}"}}, NAMESPACE)
    return "settings changed"


async def run_a_job(client: Client, dice: random.Random) -> str:
    script = dice.choice(("exit 0", "sleep 1", "[ $((RANDOM % 3)) = 0 ]", "sleep 0.2; exit 1"))
    container = {"name": "c", "image": "minik.local/host", "command": ["bash", "-c", script]}
    spec = {
        "completions": dice.randint(1, 3), "parallelism": 2, "backoffLimit": 2, "activeDeadlineSeconds": 60,
        "template": {"spec": {"restartPolicy": dice.choice(("Never", "OnFailure")), "containers": [container]}},
    }  # fmt: skip
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "job-", "namespace": NAMESPACE}}
    made = await client.create(JOBS, job | {"spec": spec})
    return f"{name_of(made)}: {script}"


async def delete_a_job(client: Client, dice: random.Random) -> str:
    jobs = (await client.list(JOBS, NAMESPACE)).items
    if not jobs:
        return "no job to delete"
    name, propagation = name_of(dice.choice(jobs)), dice.choice(("Background", "Foreground"))
    await client.delete(JOBS, name, NAMESPACE, propagation=propagation)
    return f"{name} deleted ({propagation})"


async def remake_a_workload(client: Client, dice: random.Random) -> str:
    resource, name = dice.choice(
        ((DEPLOYMENTS, "web"), (STATEFULSETS, "db"), (DAEMONSETS, "log"), (SERVICES, "web"), (SERVICES, "db"))
    )
    propagation = dice.choice(("Background", "Foreground"))
    await client.delete(resource, name, NAMESPACE, propagation=propagation)
    await restore(client)
    return f"{resource.kind} {name} deleted ({propagation}) and made again"


async def cordon(client: Client, dice: random.Random) -> str:
    node = name_of(dice.choice((await client.list(NODES)).items))
    closed = dice.random() < 0.5
    await client.patch(NODES, node, {"spec": {"unschedulable": closed or None}})
    return f"{node} {'closed to' if closed else 'open for'} new pods"


async def evict(client: Client, dice: random.Random) -> str:
    pods = (await client.list(PODS, NAMESPACE)).items
    if not pods:
        return "no pod to evict"
    name = name_of(dice.choice(pods))
    body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    await client.create(PODS, body, NAMESPACE, name=name, subresource="eviction")
    return f"{name} evicted"


async def follow_a_log(client: Client, dice: random.Random) -> str:
    """A reader that leaves in the middle."""
    pods = (await client.list(PODS, NAMESPACE, label_selector="app=db")).items
    if not pods:
        return "no log to follow"
    name = name_of(dice.choice(pods))
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log"
    with suppress(TimeoutError):
        await asyncio.wait_for(client.raw(path, query={"container": "sidecar", "follow": "true"}), _READING_SECONDS)
    return f"followed {name}"


TURNS: dict[Turn, int] = {
    delete_pods: 5,
    scale: 4,
    roll: 3,
    run_a_job: 3,
    evict: 2,
    follow_a_log: 2,
    change_settings: 2,
    delete_a_job: 2,
    relabel_a_pod: 1,
    remake_a_workload: 1,
    cordon: 1,
}


async def one_turn(client: Client, dice: random.Random) -> str:
    """One thing of ``TURNS``. What a broken cluster refuses is told and forgotten."""
    turn = dice.choices(list(TURNS), list(TURNS.values()))[0]
    try:
        return await turn(client, dice)
    except (StatusError, ConnectionFailed) as error:
        return f"{turn.__name__}: {error}"
