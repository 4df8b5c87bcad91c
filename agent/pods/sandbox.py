"""Makes a pod's sandbox and gives it its network, names and files."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from agent.network.addresses import NoAddressLeft
from agent.pods.events import PodEvents
from agent.pods.failures import StartRefused
from agent.pods.model import is_host_network
from agent.pods.resolver import HostnameFault, etc_hosts, hostname_of, pod_dns
from agent.pods.services import PodServices
from agent.pods.specs import PodPaths, sandbox_spec
from agent.runtime.protocol import RuntimeFault, SandboxStatus
from minikube_py.api.meta import uid_of
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)
_NODE_HOSTS = Path("/etc/hosts")


class SandboxMaker:
    """Sandboxes of pods on this node."""

    def __init__(self, services: PodServices) -> None:
        self._services = services

    async def make(self, pod: Object, paths: PodPaths, events: PodEvents) -> tuple[SandboxStatus, tuple[str, ...]]:
        """A sandbox that is ready, and the pod's addresses. Raises StartRefused; nothing half-made stays."""
        node, runtime = self._services.node, self._services.runtime
        try:
            spec = sandbox_spec(
                pod,
                hostname=node.name if is_host_network(pod) else hostname_of(pod, cluster_domain=node.domain),
                resolv_conf=self._resolv_conf(pod, events),
                paths=paths,
            )
            sandbox = await runtime.run_sandbox(spec)
        except (RuntimeFault, HostnameFault, OSError) as fault:
            raise _refused(events, fault) from fault
        try:
            ips = await self.connect(pod, sandbox)
            await asyncio.to_thread(self._write_hosts, pod, ips, paths)
        except (RuntimeFault, NoAddressLeft, OSError) as fault:
            await self._discard(sandbox, uid_of(pod))
            raise _refused(events, fault) from fault
        return sandbox, ips

    async def connect(self, pod: Object, sandbox: SandboxStatus) -> tuple[str, ...]:
        """The pod's addresses; wires the sandbox where it is not wired yet. Raises OSError."""
        if is_host_network(pod):
            return self._services.node.ips
        ips = tuple((await self._services.network.attach(sandbox.netns_path, uid_of(pod))).ips)
        await self._services.host_ports.open(pod, ips[0])
        return ips

    def _resolv_conf(self, pod: Object, events: PodEvents) -> str:
        node = self._services.node
        try:
            host = node.host_resolv_conf.read_text()
        except OSError:
            host = ""
        dns = pod_dns(pod, cluster_dns=node.dns_ips, cluster_domain=node.domain, host_resolv_conf=host)
        for warning in dns.warnings:
            events.warning("DNSConfigForming", warning)
        return str(dns)

    def _write_hosts(self, pod: Object, ips: tuple[str, ...], paths: PodPaths) -> None:
        node_hosts = ""
        if is_host_network(pod):
            try:
                node_hosts = _NODE_HOSTS.read_text()
            except OSError:
                pass
        paths.root.mkdir(parents=True, exist_ok=True)
        paths.hosts_file.write_text(
            etc_hosts(pod, ips, cluster_domain=self._services.node.domain, node_hosts=node_hosts)
        )
        paths.hosts_file.chmod(0o644)

    async def _discard(self, sandbox: SandboxStatus, uid: str) -> None:
        try:
            await self._services.host_ports.close(uid)
            await self._services.network.detach(uid)
            await self._services.runtime.stop_sandbox(sandbox.id)
            await self._services.runtime.remove_sandbox(sandbox.id)
        except (RuntimeFault, OSError) as fault:
            _log.warning("the sandbox %s of pod %s stays behind: %s", sandbox.id, uid, fault)


def _refused(events: PodEvents, fault: Exception) -> StartRefused:
    events.warning("FailedCreatePodSandBox", f"Failed to create pod sandbox: {fault}")
    return StartRefused("FailedCreatePodSandBox", str(fault))
