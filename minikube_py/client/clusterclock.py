"""The cluster's clock, as far as it can be put forward: one ConfigMap says by how much, and who can, follows it.

What moves: the timeouts of session affinity in the userspace proxies, and the schedules of CronJobs. What does not:
the machine's time, and with it pods, Jobs, certificates, tokens, heartbeats and the kernel's own tables. So a CronJob
that is made afterwards is taken for as old as the clock is ahead, and catches up once. A part that is restarted reads
the ConfigMap again.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from minikube_py.aio.aheadclock import AheadClock
from minikube_py.aio.clock import Clock
from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.resources import CONFIGMAPS, NODES
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client, PatchKind

NAMESPACE, NAME = "kube-system", "minik-clock"
_KEY = "aheadSeconds"
_MANAGER = "minik-clock"
_AGAIN_SECONDS = 0.02
_PATIENCE_SECONDS = 20.0


class ClockStands(RuntimeError):
    """A node did not follow in time."""


def follow(clock: AheadClock, informers: InformerSet) -> Callable[[], None]:
    """Put ``clock`` where the cluster's clock is, now and after each change. Returns what ends that."""

    def changed(_old: Object | None, new: Object | None) -> None:
        if new is not None:
            clock.put(ahead_of(new))

    field = f"metadata.name={NAME}"
    return informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=field, required=False).subscribe(changed)


def ahead_of(config_map: Object) -> float:
    """The seconds in the ConfigMap; 0 for what is no number."""
    try:
        return max(float((config_map.get("data") or {}).get(_KEY) or 0), 0.0)
    except ValueError:
        return 0.0


async def ahead(client: Client) -> float:
    """By how much the cluster's clock is before the machine's, in seconds."""
    try:
        return ahead_of(await client.get(CONFIGMAPS, NAME, NAMESPACE))
    except NotFound:
        return 0.0


async def advance(client: Client, seconds: float, clock: Clock) -> dict[str, str]:
    """Put it forward, and return when every Ready node has followed: its name -> the mode of its proxy.

    Raises ClockStands, StatusErrors.
    """
    wanted = await ahead(client) + seconds
    metadata = {"name": NAME, "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: f"{wanted:g}"}}
    await client.patch(CONFIGMAPS, NAME, body, NAMESPACE, kind=PatchKind.APPLY, field_manager=_MANAGER, force=True)
    modes = {}
    for node in (await client.list(NODES)).items:
        if condition_is_true((node.get("status") or {}).get("conditions"), "Ready"):
            modes[name_of(node)] = await _followed(client, name_of(node), wanted, clock)
    return modes


async def _followed(client: Client, node: str, wanted: float, clock: Clock) -> str:
    """Asks again and again: an agent tells nobody that it has heard."""
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            told = orjson.loads(await client.raw(f"/api/v1/nodes/{node}/proxy/debug/clock"))
        except (StatusError, ConnectionFailed) as error:
            raise ClockStands(f"node {node} does not say what time it is: {error}") from error
        if told["aheadSeconds"] >= wanted:
            return str(told["mode"])
        if clock.monotonic() > deadline:
            raise ClockStands(f"node {node} has not followed after {_PATIENCE_SECONDS:g} s")
        await clock.sleep(_AGAIN_SECONDS)
