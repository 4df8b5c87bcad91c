"""Status updates of Pods: what a kubelet may say, and what it may not take back."""

from __future__ import annotations

from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable
from apiserver.registry.context import RequestContext
from apiserver.registry.core.pod.defaults import default_pod_ips
from apiserver.registry.core.pod.validation import validate_annotation_changes
from apiserver.registry.strategy import keep_all_but_status, keep_metadata
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid
from minikube_py.api.types import Object

_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_CLAIMS = ("resourceClaimStatuses", "extendedResourceClaimStatus", "nodeAllocatableResourceClaimStatuses")


def prepare_pod_status(new: Object, old: Object, ctx: RequestContext) -> None:
    """Keeps everything but status; keeps of status what a writer that does not know a field would drop."""
    keep_all_but_status(new, old, ctx)
    keep_metadata(new, old, labels=False)
    status, before = new.setdefault("status", {}), old.get("status") or {}
    for name in ("qosClass", *_CLAIMS, "observedGeneration"):
        if not status.get(name) and before.get(name):
            status[name] = before[name]
    _keep_observed_generations(status, before)
    default_pod_ips(status)


def _keep_observed_generations(status: Fields, before: Fields) -> None:
    known: dict[str, list[int]] = {}
    for condition in before.get("conditions") or ():
        known.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration") or 0)
    for condition in status.get("conditions") or ():
        earlier = known.get(condition.get("type", ""))
        generation = earlier.pop(0) if earlier else 0
        if generation and not condition.get("observedGeneration"):
            condition["observedGeneration"] = generation


def validate_pod_status(new: Object, old: Object, errors: Errors) -> None:
    """``ValidatePodStatusUpdate``."""
    validate_annotation_changes(new, old, errors)
    status, before, spec = new.get("status") or {}, old.get("status") or {}, old.get("spec") or {}
    _validate_conditions(status.get("conditions") or (), errors)
    _validate_nomination(status, before, spec, errors)
    generation = status.get("observedGeneration") or 0
    if generation < 0:
        errors.append(invalid("status.observedGeneration", generation, "must be a non-negative integer"))
    immutable(status.get("qosClass") or "", before.get("qosClass") or "", "status.qosClass", errors)
    for kind, containers in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        _validate_transitions(status, before, kind, spec, containers, errors)
    _validate_transitions(status, before, "ephemeralContainerStatuses", spec, "", errors)
    _validate_addresses(status, before, "podIP", errors)
    _validate_addresses(status, before, "hostIP", errors)


def _validate_conditions(conditions: Any, errors: Errors) -> None:
    for index, condition in enumerate(conditions):
        generation = condition.get("observedGeneration") or 0
        if generation < 0:
            path = f"status.conditions[{index}].observedGeneration"
            errors.append(invalid(path, generation, "must be a non-negative integer"))
        if condition.get("type") not in _SYSTEM_CONDITIONS:
            check(names.qualified_name, condition.get("type") or "", f"status.conditions[{index}].Type", errors)


def _validate_nomination(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    nominated = status.get("nominatedNodeName") or ""
    if not nominated or nominated == before.get("nominatedNodeName"):
        return
    check(names.subdomain_name, nominated, "status.nominatedNodeName", errors)
    if spec.get("nodeName"):
        detail = "may not be set on pods that are already bound to a node"
        errors.append(forbidden("status.nominatedNodeName", detail))


def _validate_transitions(
    status: Fields, before: Fields, kind: str, spec: Fields, containers: str, errors: Errors
) -> None:
    """A container that ended for good does not come back."""
    if containers and could_restart_all(spec):
        return
    running = {
        item.get("name") for item in status.get(kind) or () if (item.get("state") or {}).get("terminated") is None
    }
    by_name = {container.get("name"): container for container in spec.get(containers) or ()}
    for index, item in enumerate(before.get(kind) or ()):
        ended = (item.get("state") or {}).get("terminated")
        if ended is None or item.get("name") not in running:
            continue
        container = by_name.get(item.get("name"))
        if container is None or not should_restart(container, spec, ended.get("exitCode") or 0):
            detail = "may not be transitioned to non-terminated state"
            errors.append(forbidden(f"status.{kind}[{index}].state", detail))


def could_restart_all(spec: Fields) -> bool:
    """Whether some container's rule restarts the whole pod (KEP-5532)."""
    return any(
        rule.get("action") == "RestartAllContainers"
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def should_restart(container: Fields, spec: Fields, exit_code: int) -> bool:
    """Whether a container that ended with ``exit_code`` is started again (KEP-5307)."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed == (codes.get("operator") == "In") and codes:
            return True
    policy = container.get("restartPolicy") or spec.get("restartPolicy") or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _validate_addresses(status: Fields, before: Fields, kind: str, errors: Errors) -> None:
    several, single = status.get(f"{kind}s") or [], status.get(kind) or ""
    path = f"status.{kind}s"
    known = {item.get("ip") for item in before.get(f"{kind}s") or ()}
    for index, item in enumerate(several):
        if item.get("ip") not in known:
            check(names.ip_address, item.get("ip") or "", f"{path}[{index}]", errors)
    if kind == "podIP" and bool(several) != bool(single):
        detail = "podIP and podIPs must either both be set or both be unset"
        errors.append(invalid(path, several, detail))
    elif several and several[0].get("ip") != single:
        errors.append(invalid(f"{path}[0].ip", several[0].get("ip"), f"must be equal to `{kind}`"))
    families = {":" in (item.get("ip") or "") for item in several}
    if len(several) > 1 and (len(several) > 2 or len(families) < 2):
        errors.append(invalid(path, several, "may specify no more than one IP for each IP family"))
