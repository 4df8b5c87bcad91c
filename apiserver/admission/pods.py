"""What every new pod gets: tolerations for a while without its node, and its priority.

Follows ``plugin/pkg/admission/defaulttolerationseconds`` and ``plugin/pkg/admission/priority``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.admission.serviceaccounts import MIRROR
from apiserver.refusals import refused
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import PODS, PRIORITYCLASSES
from minikube_py.api.tolerations import tolerated
from minikube_py.api.types import Object

TOLERATION_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

SYSTEM_CLASSES = (
    (
        "system-cluster-critical", 2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical", 2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
)  # fmt: skip


def _new_pod(attributes: Attributes) -> Object | None:
    if attributes.resource is PODS and attributes.operation == "CREATE" and not attributes.subresource:
        return attributes.obj
    return None


class DefaultTolerationSeconds(PassivePlugin):
    """A pod stays on a silent node for five minutes unless it says otherwise."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Add the two tolerations; to an update as well, whose author may not have known of them."""
        pod = attributes.obj
        if pod is None or attributes.resource is not PODS or attributes.subresource:
            return ()
        given: list[dict[str, Any]] = pod["spec"].get("tolerations") or []
        missing = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}
            for key in _TAINTS
            if not tolerated(given, {"key": key, "effect": "NoExecute"})
        ]
        if missing:
            pod["spec"]["tolerations"] = [*given, *missing]
        return ()


class Priority(PassivePlugin):
    """Resolves a pod's priority class to its number; keeps the default class unique."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Fill in a pod's priority. Raises Forbidden for an unknown class or a number of its own."""
        pod = _new_pod(attributes)
        if pod is None:
            return ()
        spec = pod["spec"]
        chosen = _class_of(attributes, spec)
        value = int(chosen.get("value") or 0)
        given = spec.get("priority")
        if given is not None and given != value:
            raise refused(
                PODS,
                name_of(pod),
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name",
            )
        if chosen:
            spec["priorityClassName"] = name_of(chosen)
        spec["priority"] = value
        policy = chosen.get("preemptionPolicy") or "PreemptLowerPriority"
        if spec.get("preemptionPolicy", policy) != policy and MIRROR not in annotations_of(pod):
            raise refused(
                PODS,
                name_of(pod),
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = policy
        return ()

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Only one class may be the default."""
        obj = attributes.obj
        if attributes.resource is not PRIORITYCLASSES or obj is None or not obj.get("globalDefault"):
            return ()
        for other in attributes.reader.list(PRIORITYCLASSES):
            if other.get("globalDefault") and name_of(other) != name_of(obj):
                raise refused(
                    PRIORITYCLASSES,
                    name_of(obj),
                    f"PriorityClass {name_of(other)} is already marked as default. Only one default can exist",
                )
        return ()


def _class_of(attributes: Attributes, spec: Object) -> Object:
    name = spec.get("priorityClassName")
    if name:
        found = attributes.reader.get(PRIORITYCLASSES, "", name)
        if found is None:
            pod_name = name_of(attributes.obj or {})
            raise refused(PODS, pod_name, f"no PriorityClass with name {name} was found")
        return found
    defaults = [entry for entry in attributes.reader.list(PRIORITYCLASSES) if entry.get("globalDefault")]
    return min(defaults, key=lambda entry: int(entry.get("value") or 0)) if defaults else {}
