"""From the Pod to what the runtime is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.pods.model import Container, app_containers, init_containers, is_host_network, spec_of
from agent.pods.qos import oom_score_adj
from agent.pods.security import security_context
from agent.runtime.protocol import ContainerSpec, Mount, Resources, SandboxSpec
from minikube_py.api.expansion import expand
from minikube_py.api.meta import name_of, namespace_of, uid_of
from minikube_py.api.podresources import pod_limits, pod_requests
from minikube_py.api.quantity import bytes_of, cpu_millis
from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class PodPaths:
    """Where one pod's files are on this machine."""

    root: Path
    logs: Path

    @property
    def hosts_file(self) -> Path:
        """The file that its containers see as /etc/hosts."""
        return self.root / "etc-hosts"

    def log_file(self, container: str, attempt: int) -> Path:
        """The log of one attempt, in the kubelet's layout."""
        return self.logs / container / f"{attempt}.log"


def pod_paths(state_dir: Path, pod: Object) -> PodPaths:
    """The directories of a pod below the agent's state directory."""
    name = f"{namespace_of(pod)}_{name_of(pod)}_{uid_of(pod)}"
    return PodPaths(root=state_dir / "pods" / uid_of(pod), logs=state_dir / "logs" / name)


def uid_of_logs(directory: Path) -> str:
    """The uid of the pod whose logs a directory holds. Names of pods and namespaces have no underscore."""
    return directory.name.rpartition("_")[2]


def sandbox_spec(pod: Object, *, hostname: str, resolv_conf: str, paths: PodPaths) -> SandboxSpec:
    """The pod's sandbox."""
    spec = spec_of(pod)
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return SandboxSpec(
        namespace=namespace_of(pod),
        name=name_of(pod),
        uid=uid_of(pod),
        hostname=hostname,
        host_network=is_host_network(pod),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        share_process_namespace=bool(spec.get("shareProcessNamespace")),
        resolv_conf=resolv_conf,
        log_dir=paths.logs,
        sysctls={one["name"].replace("/", "."): one["value"] for one in sysctls},
        resources=pod_resources(pod),
    )


@dataclass(frozen=True, slots=True)
class ContainerInputs:
    """What has been prepared for one container."""

    attempt: int
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    paths: PodPaths
    target_container_id: str = ""
    memory_capacity: int = 0


def container_spec(pod: Object, container: Container, inputs: ContainerInputs) -> ContainerSpec:
    """One attempt of a container."""
    spec = container.spec
    return ContainerSpec(
        name=container.name,
        image=str(spec.get("image") or ""),
        attempt=inputs.attempt,
        command=tuple(expand(word, inputs.env) for word in spec.get("command") or ()),
        args=tuple(expand(word, inputs.env) for word in spec.get("args") or ()),
        env=inputs.env,
        working_dir=str(spec.get("workingDir") or ""),
        mounts=[*inputs.mounts, *_hosts_mount(spec, inputs.paths)],
        security=security_context(pod, container),
        resources=resources(spec.get("resources") or {}),
        stdin=bool(spec.get("stdin")),
        stdin_once=bool(spec.get("stdinOnce")),
        tty=bool(spec.get("tty")),
        stop_signal=(spec.get("lifecycle") or {}).get("stopSignal"),
        log_path=inputs.paths.log_file(container.name, inputs.attempt),
        termination_message_path=str(spec.get("terminationMessagePath") or "/dev/termination-log"),
        pod=pod,
        target_container_id=inputs.target_container_id,
        oom_score_adj=oom_score_adj(pod, container, inputs.memory_capacity),
    )


def resources(given: Mapping[str, Any]) -> Resources:
    """Requests and limits as numbers."""
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    return Resources(
        cpu_request_millis=cpu_millis(requests["cpu"]) if "cpu" in requests else None,
        cpu_limit_millis=cpu_millis(limits["cpu"]) if "cpu" in limits else None,
        memory_limit_bytes=bytes_of(limits["memory"]) if "memory" in limits else None,
    )


def pod_resources(pod: Object) -> Resources:
    """What the pod's containers may use together (the kubelet's ResourceConfigForPod).

    A limit holds where every container has one, or the pod itself.
    """
    requests, limits = pod_requests({"spec": spec_of(pod)}), pod_limits(pod)
    own = (spec_of(pod).get("resources") or {}).get("limits") or {}
    every = [one.spec.get("resources") or {} for one in (*init_containers(pod), *app_containers(pod))]
    limited = {name for name in limits if name in own or all(name in (one.get("limits") or {}) for one in every)}
    return Resources(
        cpu_request_millis=requests.get("cpu"),
        cpu_limit_millis=limits["cpu"] if "cpu" in limited else None,
        memory_limit_bytes=limits["memory"] if "memory" in limited else None,
    )


def _hosts_mount(spec: Mapping[str, Any], paths: PodPaths) -> list[Mount]:
    """/etc/hosts of the pod, unless the container mounts its own."""
    taken = {mount["mountPath"].rstrip("/") for mount in spec.get("volumeMounts") or ()}
    return [] if "/etc/hosts" in taken else [Mount(paths.hosts_file, "/etc/hosts")]
