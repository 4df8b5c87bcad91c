"""The Node object and its Lease: registers the node, keeps both alive, comes back after the API server was away.

The Lease says "I am here" every quarter of its duration. The status is written when something in it changes, and every
five minutes otherwise, as the kubelet does it. Both are made again when they are gone, for an API server may have lost
its memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.node.conditions import Health, node_conditions
from agent.node.facts import (
    Machine,
    NodeImage,
    addresses,
    available_disk,
    available_memory,
    capacity,
    image_list,
    node_info,
    standard_labels,
)
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from minikube_py.api.meta import format_micro_time, labels_of, uid_of
from minikube_py.api.resources import LEASES, NODES
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client, PatchKind
from minikube_py.config.parts import AgentConfig

_log = logging.getLogger(__name__)
LEASE_NAMESPACE = "kube-node-lease"
STATUS_SECONDS = 10.0
REPORT_SECONDS = 300.0
#: Conditions carry a heartbeat that is of no interest when nothing else has changed.
_HEARTBEAT = "lastHeartbeatTime"


@dataclass(frozen=True, slots=True)
class NodeDeps:
    """What the registration is built from. ``images`` raises OSError while the container runtime does not answer."""

    config: AgentConfig
    client: Client
    clock: Clock
    machine: Machine
    runtime_version: str
    images: Callable[[], Awaitable[list[NodeImage]]]


class NodeRegistration:
    """Keeps one Node and its Lease."""

    def __init__(self, deps: NodeDeps) -> None:
        self._deps = deps
        self._tasks = TaskSet(f"node-{deps.config.node_name}")
        self._node: Object | None = None
        self._reported_at: float | None = None
        self._changed = asyncio.Event()
        self._lease_due = asyncio.Event()

    @property
    def node(self) -> Object | None:
        """The Node as last seen; None before the first registration."""
        return self._node

    def allocatable(self) -> dict[str, str]:
        """What pods can have."""
        return capacity(self._deps.machine)

    async def start(self) -> None:
        """Begin to register; returns at once."""
        lease_seconds = self._deps.config.lease_seconds / 4
        self._tasks.spawn(self._keep("status", self._report, STATUS_SECONDS, self._changed), name="status")
        self._tasks.spawn(self._keep("lease", self._renew, lease_seconds, self._lease_due), name="lease")

    async def stop(self) -> None:
        """Fall silent. The Lease runs out by itself: the pods may go on."""
        await self._tasks.close()

    def report_soon(self) -> None:
        """Something that the status tells has changed (an image was loaded)."""
        self._changed.set()

    async def _keep(self, what: str, work: Callable[[], Any], seconds: float, hurry: asyncio.Event) -> None:
        """Do ``work`` every ``seconds`` (sooner after a failure, and at once when ``hurry`` is set)."""
        backoff = Backoff(0.2, 7.0, jitter=0.2)
        while True:
            try:
                await work()
                backoff.reset()
                delay = seconds
            except (StatusError, ConnectionFailed) as error:
                delay = backoff.next()
                _log.warning("cannot write the node's %s: %s; again in %.1fs", what, error, delay)
            timer = self._deps.clock.call_later(delay, hurry.set)
            try:
                await hurry.wait()
            finally:
                timer.cancel()
            hurry.clear()

    # Node

    async def _report(self) -> None:
        """Register where needed, and write the status where it says something new."""
        client, name = self._deps.client, self._deps.config.node_name
        try:
            node = await client.get(NODES, name)
        except NotFound:
            node = await self._create()
        node = await self._correct_spec(node)
        before = node.get("status") or {}
        status = await self._status(before.get("conditions") or ())
        status["allocatable"] = status["allocatable"] | extended_resources(before.get("capacity") or {})
        if uid_of(self._node or {}) != uid_of(node):
            self._lease_due.set()
        self._node = node
        if self._is_news(node.get("status") or {}, status):
            body = {"status": status}
            self._node = await client.patch(NODES, name, body, kind=PatchKind.STRATEGIC, subresource="status")
            self._reported_at = self._deps.clock.monotonic()

    def _is_news(self, old: Object, new: Object) -> bool:
        now = self._deps.clock.monotonic()
        if self._reported_at is None or now - self._reported_at >= REPORT_SECONDS:
            return True
        return any(_essence(old.get(key)) != _essence(value) for key, value in new.items())

    async def _create(self) -> Object:
        config = self._deps.config
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": config.node_name, "labels": self._labels()},
            "spec": {"podCIDR": config.pod_cidrs[0], "podCIDRs": list(config.pod_cidrs)},
            "status": await self._status(()),
        }
        if config.taints:
            node["spec"]["taints"] = [dict(taint) for taint in config.taints]
        try:
            created = await self._deps.client.create(NODES, node)
        except AlreadyExists:
            return await self._deps.client.get(NODES, config.node_name)
        self._reported_at = None
        _log.info("registered node %s", config.node_name)
        return created

    async def _correct_spec(self, node: Object) -> Object:
        """Labels and pod ranges that a former life of the node left differently."""
        wanted = {key: value for key, value in self._labels().items() if labels_of(node).get(key) != value}
        patch: Object = {"metadata": {"labels": wanted}} if wanted else {}
        if not (node.get("spec") or {}).get("podCIDR"):
            cidrs = self._deps.config.pod_cidrs
            patch["spec"] = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)}
        if not patch:
            return node
        return await self._deps.client.patch(NODES, self._deps.config.node_name, patch, kind=PatchKind.STRATEGIC)

    def _labels(self) -> dict[str, str]:
        config = self._deps.config
        return standard_labels(config.node_name, self._deps.machine) | config.labels

    async def _status(self, conditions: Any) -> Object:
        deps = self._deps
        fault, images = "", list[NodeImage]()
        try:
            images = await deps.images()
        except OSError as error:
            fault = f"container runtime is down: {error}"
        disk, inodes = await asyncio.to_thread(available_disk, _existing(deps.config.state_dir))
        health = Health(available_memory(), disk, inodes, fault)
        amounts = capacity(deps.machine)
        return {
            "addresses": addresses(deps.config.node_name, deps.config.node_ips),
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": node_conditions(health, conditions, deps.clock.now()),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": deps.config.kubelet_port}},
            "images": image_list(images),
            "nodeInfo": node_info(deps.machine, deps.runtime_version),
        }

    # Lease

    async def _renew(self) -> None:
        config, now = self._deps.config, format_micro_time(self._deps.clock.now())
        spec = {"holderIdentity": config.node_name, "leaseDurationSeconds": config.lease_seconds, "renewTime": now}
        try:
            patch = {"spec": spec, "metadata": self._ownership()}
            await self._deps.client.patch(LEASES, config.node_name, patch, LEASE_NAMESPACE)
        except NotFound:
            await self._create_lease(spec)

    async def _create_lease(self, spec: Object) -> None:
        name = self._deps.config.node_name
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": LEASE_NAMESPACE} | self._ownership(),
            "spec": spec,
        }
        try:
            await self._deps.client.create(LEASES, lease, LEASE_NAMESPACE)
        except (AlreadyExists, Conflict):
            pass  # made in the meantime: the next renewal finds it

    def _ownership(self) -> Object:
        """The Lease goes with its Node, which may come after it, and be replaced."""
        if self._node is None:
            return {}
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._deps.config.node_name, "uid": uid_of(self._node)}
        return {"ownerReferences": [owner]}


def extended_resources(capacity: Mapping[str, str]) -> dict[str, str]:
    """What somebody else has put into the node's capacity: pods can have all of it, as the kubelet has it
    (Kubernetes' page "Advertise Extended Resources for a Node")."""
    return {name: amount for name, amount in capacity.items() if "/" in name}


def _essence(value: Any) -> Any:
    """A part of a status without its heartbeats."""
    if isinstance(value, list):
        return [_essence(item) for item in value]
    if isinstance(value, dict):
        return {key: _essence(item) for key, item in value.items() if key != _HEARTBEAT}
    return value


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
