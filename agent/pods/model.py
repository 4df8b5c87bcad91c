"""How the agent reads a Pod: its containers by role, its policies, its times. Pure.

A Pod arrives as parsed JSON, already defaulted by the API server, and is never changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from minikube_py.api.meta import annotations_of, metadata, name_of, namespace_of, parse_time, uid_of
from minikube_py.api.types import Object

#: Where a pod of this node came from: "api", or "file" for a static pod.
SOURCE_ANNOTATION = "kubernetes.io/config.source"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
TERMINAL_PHASES = ("Succeeded", "Failed")
MINIMUM_GRACE_SECONDS = 2.0


class Role(StrEnum):
    """What part a container plays in its pod."""

    INIT = "init"
    SIDECAR = "sidecar"
    APP = "app"
    EPHEMERAL = "ephemeral"


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the spec with the part it plays."""

    name: str
    role: Role
    spec: dict[str, Any]

    @property
    def restart_policy(self) -> str | None:
        """The container's own restartPolicy, which overrides the pod's."""
        return self.spec.get("restartPolicy")


def spec_of(pod: Object) -> dict[str, Any]:
    """The pod's spec."""
    return pod.get("spec") or {}


def status_of(pod: Object) -> dict[str, Any]:
    """The pod's status as the API server has it."""
    return pod.get("status") or {}


def init_containers(pod: Object) -> list[Container]:
    """Init containers and sidecars, in the order in which they start."""
    return [Container(spec["name"], _init_role(spec), spec) for spec in spec_of(pod).get("initContainers") or ()]


def _init_role(spec: dict[str, Any]) -> Role:
    return Role.SIDECAR if spec.get("restartPolicy") == "Always" else Role.INIT


def app_containers(pod: Object) -> list[Container]:
    """The pod's main containers."""
    return [Container(spec["name"], Role.APP, spec) for spec in spec_of(pod).get("containers") or ()]


def ephemeral_containers(pod: Object) -> list[Container]:
    """Containers added for debugging; they are never restarted."""
    found = spec_of(pod).get("ephemeralContainers") or ()
    return [Container(spec["name"], Role.EPHEMERAL, spec) for spec in found]


def all_containers(pod: Object) -> Iterator[Container]:
    """Every container of the pod, init containers first."""
    yield from init_containers(pod)
    yield from app_containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Object, name: str) -> Container | None:
    """The container called ``name``."""
    return next((container for container in all_containers(pod) if container.name == name), None)


def has_sidecars(pod: Object) -> bool:
    """Whether any init container is restartable (KEP-753)."""
    return any(container.role is Role.SIDECAR for container in init_containers(pod))


def restart_policy(pod: Object) -> str:
    """The pod's restartPolicy: Always, OnFailure or Never."""
    return str(spec_of(pod).get("restartPolicy") or "Always")


def restarts_on_failure(pod: Object) -> bool:
    """Whether a failed container may come back."""
    return restart_policy(pod) != "Never"


def exit_restarts(container: Container, pod: Object, exit_code: int) -> bool:
    """Whether policy lets a container that ended with ``exit_code`` start again (KEP-5307 rules come first)."""
    if container.restart_policy is not None:
        for rule in container.spec.get("restartPolicyRules") or ():
            if _rule_matches(rule, exit_code):
                return rule.get("action") in ("Restart", "RestartAllContainers")
    policy = container.restart_policy or restart_policy(pod)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _rule_matches(rule: dict[str, Any], exit_code: int) -> bool:
    codes = rule.get("exitCodes")
    if codes is None:
        return False
    inside = exit_code in (codes.get("values") or ())
    return inside if codes.get("operator") == "In" else not inside


def is_host_network(pod: Object) -> bool:
    """Whether the pod uses the node's own network namespace."""
    return bool(spec_of(pod).get("hostNetwork"))


def is_static(pod: Object) -> bool:
    """Whether the pod came from a file on this node rather than from the API server."""
    return annotations_of(pod).get(SOURCE_ANNOTATION, "api") != "api"


def deletion_grace_seconds(pod: Object) -> int | None:
    """metadata.deletionGracePeriodSeconds: how long the API granted, None while the pod is not being deleted."""
    value = metadata(pod).get("deletionGracePeriodSeconds")
    return None if value is None else int(value)


def termination_grace_seconds(pod: Object) -> int:
    """How long the pod as a whole has to stop, in seconds."""
    granted = deletion_grace_seconds(pod)
    if granted is not None:
        return granted
    value = spec_of(pod).get("terminationGracePeriodSeconds")
    return 30 if value is None else int(value)


def probe_grace_seconds(pod: Object, container: Container, probe: str) -> int:
    """How long a container that failed its ``probe`` (livenessProbe, startupProbe) has to stop, in seconds."""
    own = (container.spec.get(probe) or {}).get("terminationGracePeriodSeconds")
    if own is not None and deletion_grace_seconds(pod) is None:
        return int(own)
    return termination_grace_seconds(pod)


def active_deadline(pod: Object) -> int | None:
    """spec.activeDeadlineSeconds."""
    value = spec_of(pod).get("activeDeadlineSeconds")
    return None if value is None else int(value)


def start_time(status: Object) -> datetime | None:
    """status.startTime."""
    text = status.get("startTime")
    return parse_time(text) if text else None


def full_name(pod: Object) -> str:
    """``name_namespace(uid)``, the form in which the kubelet's messages name a pod."""
    return f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
