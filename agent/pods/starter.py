"""Starts one container: image, environment, mounts, create, start, postStart; an event for each step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.pods.events import PodEvents
from agent.pods.failures import StartRefused
from agent.pods.hooks import HookFault, HookRunner
from agent.pods.images import ImagePuller
from agent.pods.model import MINIMUM_GRACE_SECONDS, Container
from agent.pods.security import check_non_root
from agent.pods.sources import EnvironmentSource
from agent.pods.specs import ContainerInputs, PodPaths, container_spec
from agent.pods.volumes.errors import MountError
from agent.pods.volumes.manager import MountedVolumes
from agent.pods.volumes.mounts import container_mounts
from agent.runtime.protocol import ContainerSpec, Mount, Runtime, RuntimeFault
from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class PodSetting:
    """What all containers of a pod share once its sandbox stands. ``running``: container ids by name."""

    pod: Object
    sandbox_id: str
    pod_ips: tuple[str, ...]
    volumes: MountedVolumes
    paths: PodPaths
    events: PodEvents
    running: Mapping[str, str] = field(default_factory=dict)

    @property
    def pod_ip(self) -> str:
        return self.pod_ips[0] if self.pod_ips else ""


class ContainerStarter:
    """Starts containers of one pod."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        environment: EnvironmentSource,
        images: ImagePuller,
        hooks: HookRunner,
        memory_capacity: int,
    ) -> None:
        self._memory_capacity = memory_capacity
        self._runtime = runtime
        self._environment = environment
        self._images = images
        self._hooks = hooks

    async def start(self, setting: PodSetting, container: Container, attempt: int) -> None:
        """Start one attempt. Raises StartRefused with what the container's status has to show."""
        events = setting.events.of(container)
        secrets = await self._environment.pull_secrets(setting.pod)
        try:
            image = await self._images.ensure(container.spec, secrets, events)
        except StartRefused as refusal:
            events.warning("Failed", f"Error: {refusal.reason}")
            raise
        try:
            check_non_root(setting.pod, container, image)
            spec = await self._spec(setting, container, attempt)
            container_id = await self._create(setting, spec)
            events.normal("Created", "Container created")
            await self._run(container_id, events)
        except StartRefused as refusal:
            events.warning("Failed", f"Error: {refusal.message}")
            raise
        await self._post_start(setting, container, container_id, events)

    async def _spec(self, setting: PodSetting, container: Container, attempt: int) -> ContainerSpec:
        env = await self._environment.variables(setting.pod, container, setting.pod_ips, setting.volumes.paths)
        try:
            mounts = await asyncio.to_thread(_mounts, setting.volumes, container, env)
        except MountError as error:
            raise StartRefused("CreateContainerConfigError", str(error)) from error
        target = self._target(setting, container)
        inputs = ContainerInputs(attempt, env, mounts, setting.paths, target, self._memory_capacity)
        return container_spec(setting.pod, container, inputs)

    @staticmethod
    def _target(setting: PodSetting, container: Container) -> str:
        """The id of the container whose processes an ephemeral container wants to see, "" without one."""
        name = container.spec.get("targetContainerName")
        if not name:
            return ""
        if name not in setting.running:
            raise StartRefused("CreateContainerError", f'unable to find target container "{name}"')
        return setting.running[name]

    async def _create(self, setting: PodSetting, spec: ContainerSpec) -> str:
        try:
            if spec.log_path is not None:
                _make_directory(spec.log_path.parent)
            return await self._runtime.create_container(setting.sandbox_id, spec)
        except (RuntimeFault, OSError) as fault:
            raise StartRefused("CreateContainerError", str(fault)) from fault

    async def _run(self, container_id: str, events: PodEvents) -> None:
        try:
            await self._runtime.start_container(container_id)
        except (RuntimeFault, OSError) as fault:
            raise StartRefused("RunContainerError", str(fault)) from fault
        events.normal("Started", "Container started")

    async def _post_start(
        self, setting: PodSetting, container: Container, container_id: str, events: PodEvents
    ) -> None:
        handler = (container.spec.get("lifecycle") or {}).get("postStart")
        if not handler:
            return
        try:
            await self._hooks.run(handler, container_id, container.spec, setting.pod_ip)
        except HookFault as fault:
            events.warning("FailedPostStartHook", "PostStartHook failed")
            events.normal("Killing", "FailedPostStartHook")
            await self._runtime.stop_container(container_id, grace_seconds=MINIMUM_GRACE_SECONDS)
            raise StartRefused("PostStartHookError", str(fault)) from fault


def _mounts(volumes: MountedVolumes, container: Container, env: Mapping[str, str]) -> list[Mount]:
    return container_mounts(container.spec, volumes.paths, env, volumes.read_only)


def _make_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
