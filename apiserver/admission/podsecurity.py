"""PodSecurity: the Pod Security Standards, enforced by labels of the namespace.

Follows ``k8s.io/pod-security-admission`` and https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.admission.standards import violations
from apiserver.refusals import refused
from minikube_py.api.meta import labels_of, name_of
from minikube_py.api.resources import (
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    PODTEMPLATES,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
    Resource,
)
from minikube_py.api.types import Object

_PREFIX = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
_WORKLOADS = frozenset(
    {CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODTEMPLATES, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS}
)


class PodSecurity(PassivePlugin):
    """Refuses pods, and warns of pods and workloads, that break the namespace's standard."""

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check a new pod (or one whose spec changes) and the template of a workload."""
        obj = attributes.obj
        if obj is None or attributes.operation not in ("CREATE", "UPDATE"):
            return ()
        if attributes.resource is PODS and attributes.subresource in ("", "ephemeralcontainers"):
            return self._check_pod(attributes, obj)
        if attributes.resource in _WORKLOADS and not attributes.subresource:
            return _warnings(_namespace_labels(attributes), _template_spec(attributes.resource, obj))
        return ()

    @staticmethod
    def _check_pod(attributes: Attributes, pod: Object) -> Sequence[str]:
        if attributes.old is not None and attributes.old.get("spec") == pod.get("spec"):
            return ()
        labels = _namespace_labels(attributes)
        level, version = _policy(labels, "enforce")
        found = violations(level, pod["spec"])
        if found:
            raise refused(PODS, name_of(pod), f'violates PodSecurity "{level}:{version}": {", ".join(found)}')
        return _warnings(labels, pod["spec"])


def _namespace_labels(attributes: Attributes) -> dict[str, str]:
    return labels_of(attributes.reader.get(NAMESPACES, "", attributes.namespace) or {})


def _policy(labels: dict[str, str], mode: str) -> tuple[str, str]:
    level = labels.get(f"{_PREFIX}{mode}", "privileged")
    return (level if level in _LEVELS else "restricted"), labels.get(f"{_PREFIX}{mode}-version", "latest")


def _warnings(labels: dict[str, str], spec: dict[str, Any]) -> list[str]:
    level, version = _policy(labels, "warn")
    found = violations(level, spec)
    return [f'would violate PodSecurity "{level}:{version}": {", ".join(found)}'] if found else []


def _template_spec(resource: Resource, obj: Object) -> dict[str, Any]:
    if resource is PODTEMPLATES:
        return dict((obj.get("template") or {}).get("spec") or {})
    spec = obj.get("spec") or {}
    if resource is CRONJOBS:
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return dict((spec.get("template") or {}).get("spec") or {})
