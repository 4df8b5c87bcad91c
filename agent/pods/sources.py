"""Looks up what a container's environment is made of, and the pull secrets of its image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from agent.pods.environment.container import Reference, Sources, container_environment, references
from agent.pods.environment.downward import PodFacts
from agent.pods.environment.faults import EnvironmentFault
from agent.pods.environment.services import service_environment
from agent.pods.failures import StartRefused
from agent.pods.model import Container, is_host_network, spec_of
from agent.pods.objects import ObjectCache
from agent.pods.volumes.errors import MountError
from agent.pods.volumes.mounts import inside
from minikube_py.api.meta import namespace_of, uid_of
from minikube_py.api.resources import CONFIGMAPS, SECRETS
from minikube_py.api.types import Object

_RESOURCES = {"ConfigMap": CONFIGMAPS, "Secret": SECRETS}


class EnvironmentSource:
    """Environments of containers on this node."""

    def __init__(
        self,
        *,
        objects: ObjectCache,
        services: Callable[[], Iterable[Object]],
        host_ips: Sequence[str],
        allocatable: Callable[[], Mapping[str, str]],
    ) -> None:
        self._objects = objects
        self._services = services
        self._host_ips = host_ips
        self._allocatable = allocatable

    async def variables(
        self, pod: Object, container: Container, pod_ips: Sequence[str], volumes: Mapping[str, Path]
    ) -> dict[str, str]:
        """The environment of one container. Raises StartRefused (CreateContainerConfigError)."""
        links = spec_of(pod).get("enableServiceLinks")
        sources = Sources(
            services=service_environment(self._services(), namespace_of(pod), True if links is None else bool(links)),
            objects=await self._lookup(pod, container),
            facts=PodFacts(self._host_ips if is_host_network(pod) else pod_ips, self._host_ips, self._allocatable()),
            env_file=lambda volume, path: _read(volumes, volume, path),
        )
        try:
            return container_environment(pod, container.spec, sources)
        except EnvironmentFault as fault:
            raise StartRefused("CreateContainerConfigError", str(fault)) from fault

    async def pull_secrets(self, pod: Object) -> Sequence[Object]:
        """The Secrets named by imagePullSecrets that exist."""
        names = [entry.get("name", "") for entry in spec_of(pod).get("imagePullSecrets") or ()]
        found = [await self._objects.acquire(uid_of(pod), SECRETS, namespace_of(pod), name) for name in names if name]
        return [secret for secret in found if secret is not None]

    async def _lookup(self, pod: Object, container: Container) -> dict[Reference, Object]:
        found = {}
        for reference in references(container.spec):
            resource = _RESOURCES[reference.kind]
            obj = await self._objects.acquire(uid_of(pod), resource, namespace_of(pod), reference.name)
            if obj is not None:
                found[reference] = obj
        return found


def _read(volumes: Mapping[str, Path], volume: str, path: str) -> str:
    if volume not in volumes:
        raise EnvironmentFault(f'cannot find the volume "{volume}" referenced by FileKeyRef')
    try:
        return inside(volumes[volume], path, create=False).read_text()
    except (MountError, OSError, ValueError) as error:
        raise EnvironmentFault(f'failed to read file "{path}" of volume "{volume}": {error}') from error
