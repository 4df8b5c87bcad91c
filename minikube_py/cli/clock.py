"""`minik clock`: puts the cluster's clock forward where that is sound, so that lessons need not wait for hours."""

from __future__ import annotations

import asyncio
import re

import click

from minikube_py.aio.clock import SystemClock
from minikube_py.cli.access import cluster_client, told_plainly
from minikube_py.cli.options import cluster_name
from minikube_py.client.clusterclock import ClockStands
from minikube_py.client.clusterclock import advance as advance_clock
from minikube_py.client.clusterclock import ahead as ahead_of_cluster

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
#: Beyond it CronJobs are no longer caught up with but reported as missed.
_LONGEST = 366 * 24 * 3600.0


@click.group()
def clock() -> None:
    """Put the cluster's clock forward, for session affinity's timeouts and the schedules of CronJobs.

    Not moved: the machine's time, and with it pods, Jobs, certificates, tokens and heartbeats; affinity of nftables
    proxies, which the kernel times. A CronJob made afterwards catches up once, as if it had been there.
    """


@clock.command()
@cluster_name
@click.argument("duration")
def advance(name: str, duration: str) -> None:
    """Put it DURATION forward, e.g. 3h or 1h30m. There is no way back while the cluster lives."""
    seconds = parse_duration(duration)

    async def run() -> tuple[dict[str, str], float]:
        async with cluster_client(name) as client:
            modes = await advance_clock(client, seconds, SystemClock())
            return modes, await ahead_of_cluster(client)

    with told_plainly(name):
        try:
            modes, total = asyncio.run(run())
        except ClockStands as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{duration} later: the clock is {total:g} s ahead on {', '.join(modes)} and for CronJobs")
    still = [node for node, mode in modes.items() if mode != "userspace"]
    if still:
        click.echo(f"not for session affinity on {', '.join(still)}: the kernel keeps its time (nftables)")


@clock.command()
@cluster_name
def show(name: str) -> None:
    """Tell by how much the clock was put forward."""

    async def run() -> float:
        async with cluster_client(name) as client:
            return await ahead_of_cluster(client)

    with told_plainly(name):
        click.echo(f"{asyncio.run(run()):g} s ahead")


def parse_duration(text: str) -> float:
    """``1h30m`` in seconds. Raises BadParameter for what is not a positive duration of at most a year."""
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if _PART.sub("", text) or not 0 < seconds <= _LONGEST:
        raise click.BadParameter(f"{text!r} is not a duration such as 3h, 90s or 1h30m")
    return seconds
