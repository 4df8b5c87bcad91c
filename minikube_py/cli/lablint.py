"""`minik lab lint`: many labs at a time on one cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import click

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import StatusError
from minikube_py.client.access import Access
from minikube_py.client.rest import Client
from minikube_py.labs import session
from minikube_py.labs.folder import LabFault, LabFolder
from minikube_py.labs.lint import prove_within, read_through
from minikube_py.labs.measure import Observer
from minikube_py.labs.variation import UnknownValue, Values

_LONGEST_SECONDS = 300.0
MakeObserver = Callable[[Client, LabFolder], Observer]


async def lint_labs(
    folders: Sequence[LabFolder],
    access: Access | None,
    seed: str,
    jobs: int,
    observe: MakeObserver,
    load_balancers: str,
) -> bool:
    """Whether all are well. ``access`` None: the texts alone. ``load_balancers`` is the range of their addresses."""
    well = [_read(folder) for folder in folders]
    if access is None or not all(well):
        return all(well)
    async with Client.from_access(access) as client:
        cluster = await session.cluster_values(client, load_balancers)
        free = asyncio.Semaphore(jobs)

        async def one(folder: LabFolder) -> bool:
            async with free:
                return await _prove(observe(client, folder), folder, seed, cluster)

        tasks = TaskSet("lint")
        try:
            return all(await asyncio.gather(*[tasks.spawn(one(each), name=each.name) for each in folders]))
        finally:
            await tasks.close()


def _read(folder: LabFolder) -> bool:
    faults = read_through(folder)
    for fault in faults:
        click.echo(f"✗ {folder.name}: {fault}")
    return not faults


async def _prove(observer: Observer, folder: LabFolder, seed: str, cluster: Values) -> bool:
    values = folder.values(seed, cluster)
    try:
        took = await prove_within(observer, folder, seed, values, SystemClock(), _LONGEST_SECONDS)
    except (LabFault, UnknownValue, StatusError) as fault:
        click.echo(f"✗ {folder.name}: {fault}")
        return False
    click.echo(f"✓ {folder.name}: starts in {took.start:.1f} s, fails; is solved in {took.solve:.1f} s, passes")
    return True
