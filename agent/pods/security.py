"""The security settings in force for a container: its own, else its pod's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.pods.failures import StartRefused
from agent.pods.model import Container, spec_of
from agent.runtime.protocol import ImageInfo, SecurityContext
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object


def security_context(pod: Object, container: Container) -> SecurityContext:
    """The merged settings of pod and container. Raises StartRefused for what no runtime here can do."""
    whole: Mapping[str, Any] = spec_of(pod).get("securityContext") or {}
    own: Mapping[str, Any] = container.spec.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    groups = [*(whole.get("supplementalGroups") or ()), *([whole["fsGroup"]] if "fsGroup" in whole else [])]
    privileged = bool(own.get("privileged"))
    escalation = own.get("allowPrivilegeEscalation")
    return SecurityContext(
        run_as_user=own.get("runAsUser", whole.get("runAsUser")),
        run_as_group=own.get("runAsGroup", whole.get("runAsGroup")),
        supplemental_groups=tuple(dict.fromkeys(groups)),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        privileged=privileged,
        allow_privilege_escalation=True if escalation is None or privileged else bool(escalation),
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        seccomp=_seccomp(own.get("seccompProfile") or whole.get("seccompProfile") or {}),
    )


def _seccomp(profile: Mapping[str, Any]) -> str:
    """Raises StartRefused for a profile of the node's: this node has none."""
    kind = str(profile.get("type") or "Unconfined")
    if kind == "Localhost":
        name = profile.get("localhostProfile")
        raise StartRefused("CreateContainerError", f"seccomp profile localhost/{name} is not supported by this node")
    return kind


def check_non_root(pod: Object, container: Container, image: ImageInfo) -> None:
    """Raises StartRefused where runAsNonRoot is asked for and the container would run as root, or might."""
    whole = spec_of(pod).get("securityContext") or {}
    own = container.spec.get("securityContext") or {}
    if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
        return
    about = f'(pod: "{name_of(pod)}", container: {container.name})'
    user = own.get("runAsUser", whole.get("runAsUser"))
    if user is not None:
        if user == 0:
            raise _refused(f"container's runAsUser breaks non-root policy {about}")
        return
    name = image.user.partition(":")[0]
    if name in ("", "0", "root"):
        raise _refused(f"container has runAsNonRoot and image will run as root {about}")
    if not name.isdigit():
        words = f"image has non-numeric user ({name}), cannot verify user is non-root"
        raise _refused(f"container has runAsNonRoot and {words} {about}")


def _refused(message: str) -> StartRefused:
    return StartRefused("CreateContainerConfigError", message)
