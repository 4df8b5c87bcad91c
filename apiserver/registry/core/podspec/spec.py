"""Checks of a whole pod spec and of pod templates (``ValidatePodSpec``, ``ValidatePodTemplateSpec``)."""

from __future__ import annotations

from typing import Any

from apiserver.registry.checks import Errors, Fields, check, in_range, one_of, require_one_of
from apiserver.registry.core.podspec.containers import (
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
    validate_resource_claims,
)
from apiserver.registry.core.podspec.network import (
    validate_dns_config,
    validate_host_aliases,
    validate_hostname_override,
)
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.core.podspec.podresources import validate_pod_resources
from apiserver.registry.core.podspec.scheduling import validate_affinity, validate_tolerations, validate_topology_spread
from apiserver.registry.core.podspec.security import (
    containers_with_path,
    validate_pod_security_context,
    validate_profile_annotations,
    validate_profiles_match,
)
from apiserver.registry.core.podspec.volumes import validate_volumes
from apiserver.registry.core.podspec.windows import validate_host_process, validate_operating_system
from apiserver.registry.metadata import validate_annotations, validate_labels
from apiserver.registry.quantities import validate_requirements
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, not_found, not_supported, required

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MIRROR = "kubernetes.io/config.mirror"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_NAMED = (
    ("nodeName", names.subdomain_name),
    ("hostname", names.dns1123_label),
    ("subdomain", names.dns1123_label),
    ("priorityClassName", names.subdomain_name),
    ("runtimeClassName", names.subdomain_name),
)


def validate_pod_spec(spec: Fields, path: str, errors: Errors, *, metadata: Fields | None = None) -> None:
    """Everything in a pod spec. ``metadata`` is that of a Pod, None for a template."""
    claims = spec.get("resourceClaims") or []
    facts = PodFacts(
        spec=spec,
        metadata=metadata,
        is_pod=metadata is not None,
        claim_names=frozenset(claim.get("name") or "" for claim in claims) - {""},
    )
    if facts.grace_seconds is None:
        errors.append(required(f"{path}.terminationGracePeriodSeconds"))
    if volumes := spec.get("volumes"):
        validate_volumes(volumes, facts, f"{path}.volumes", errors)
    if claims:
        validate_resource_claims(claims, f"{path}.resourceClaims", errors)
    validate_containers(spec.get("containers") or [], facts, f"{path}.containers", errors)
    if init := spec.get("initContainers"):
        validate_init_containers(init, facts, f"{path}.initContainers", errors)
    if ephemeral := spec.get("ephemeralContainers"):
        validate_ephemeral_containers(ephemeral, facts, f"{path}.ephemeralContainers", errors)
    if (resources := spec.get("resources")) is not None:
        validate_pod_resources(resources, spec, facts, f"{path}.resources", errors)
    _validate_policies(spec, facts, path, errors)
    _validate_placement(spec, path, errors)
    _validate_platform(spec, facts, path, errors)
    _validate_identity(spec, path, errors)


def _validate_policies(spec: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    if spec.get("hostNetwork"):
        _validate_host_network(spec, facts, path, errors)
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        require_one_of(
            spec.get("restartPolicy"), RESTART_POLICIES, f"{path}.restartPolicy", errors, listed=RESTART_POLICIES
        )
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        require_one_of(spec.get("dnsPolicy"), DNS_POLICIES, f"{path}.dnsPolicy", errors, listed=DNS_POLICIES)


def _validate_host_network(spec: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort") or 0
            if (facts.is_pod or host) and host != (port.get("containerPort") or 0):
                place = f"{path}.containers[{index}].ports[{number}].hostPort"
                errors.append(invalid(place, host, "must match `containerPort` when `hostNetwork` is true"))


def _validate_placement(spec: Fields, path: str, errors: Errors) -> None:
    if selector := spec.get("nodeSelector"):
        validate_labels(selector, f"{path}.nodeSelector", errors)
    validate_pod_security_context(spec, f"{path}.securityContext", errors)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(f"{path}.shareProcessNamespace", True, detail))
    if affinity := spec.get("affinity"):
        validate_affinity(affinity, f"{path}.affinity", errors)
    validate_dns_config(spec.get("dnsConfig"), spec.get("dnsPolicy"), f"{path}.dnsConfig", errors)
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        check(
            names.qualified_name,
            gate.get("conditionType") or "",
            f"{path}.readinessGates[{index}].conditionType",
            errors,
        )
    _validate_scheduling_gates(spec.get("schedulingGates") or (), f"{path}.schedulingGates", errors)
    if spread := spec.get("topologySpreadConstraints"):
        validate_topology_spread(spread, f"{path}.topologySpreadConstraints", errors)


def _validate_scheduling_gates(gates: Any, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name") or ""
        check(names.qualified_name, name, f"{path}[{index}]", errors)
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)


def _validate_platform(spec: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    if spec.get("hostUsers") is False:
        _validate_user_namespace(spec, path, errors)
    validate_hostname_override(spec, path, errors)
    containers = containers_with_path(spec, path)
    if "windowsOptions" in (spec.get("securityContext") or ()) or any(
        "windowsOptions" in (container.get("securityContext") or ()) for _, container in containers
    ):
        validate_host_process(spec, containers, path, errors)
    os_name = facts.os_name
    if os_name is None:
        return
    if not os_name:
        errors.append(required(f"{path}.os.name"))
    elif os_name not in ("linux", "windows"):
        errors.append(not_supported(f"{path}.os", os_name, ("linux", "windows")))
    else:
        validate_operating_system(spec, containers, path, os_name, errors)


def _validate_user_namespace(spec: Fields, path: str, errors: Errors) -> None:
    for name, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(name):
            errors.append(forbidden(f"{path}.{shown}", "when `hostUsers` is false"))
    for place, container in containers_with_path(spec, path):
        if container.get("volumeDevices"):
            errors.append(forbidden(f"{place}.volumeDevices", "when `hostUsers` is false"))


def _validate_identity(spec: Fields, path: str, errors: Errors) -> None:
    account = spec.get("serviceAccountName") or ""
    if account:
        check(names.subdomain_name, account, f"{path}.serviceAccountName", errors)
    if (spec.get("serviceAccount") or "") != account:
        detail = f'must be the same as serviceAccountName: "{account}"'
        errors.append(invalid(f"{path}.deprecatedServiceAccount", spec.get("serviceAccount") or "", detail))
    for name, rule in _NAMED:
        if spec.get(name):
            check(rule, spec[name], f"{path}.{name}", errors)
    in_range(spec.get("activeDeadlineSeconds"), 1, 2**31 - 1, f"{path}.activeDeadlineSeconds", errors)
    if tolerations := spec.get("tolerations"):
        validate_tolerations(tolerations, f"{path}.tolerations", errors)
    if aliases := spec.get("hostAliases"):
        validate_host_aliases(aliases, f"{path}.hostAliases", errors)
    if spec.get("preemptionPolicy") is not None:
        choices = ("PreemptLowerPriority", "Never")
        require_one_of(spec["preemptionPolicy"], choices, f"{path}.preemptionPolicy", errors, listed=choices)
    if overhead := spec.get("overhead"):
        validate_requirements({"limits": overhead}, f"{path}.overhead", errors)
    _validate_file_keys(spec, path, errors)


def _validate_file_keys(spec: Fields, path: str, errors: Errors) -> None:
    sources = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    for place, container in containers_with_path(spec, path):
        for index, variable in enumerate(container.get("env") or ()):
            reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if reference is None:
                continue
            name, at = reference.get("volumeName") or "", f"{place}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if name not in sources:
                errors.append(not_found(at, name))
            elif sources[name].get("emptyDir") is None:
                errors.append(invalid(at, name, "referenced volume must be of type emptyDir"))


def validate_pod_annotations(annotations: dict[str, str] | None, spec: Fields, path: str, errors: Errors) -> None:
    """Annotations that mean something to pods."""
    if not annotations:
        return
    if _MIRROR in annotations and not spec.get("nodeName"):
        detail = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{_MIRROR}]", annotations[_MIRROR], detail))
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        errors.append(invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer"))
    validate_profile_annotations(annotations, spec, path, errors)


def _is_int32(text: str) -> bool:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
    return plain and -(2**31) <= int(text) < 2**31 and text != "-0"


def validate_template(template: Fields, path: str, errors: Errors) -> None:
    """A workload's pod template."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    annotations = meta.get("annotations") or {}
    validate_labels(meta.get("labels") or {}, f"{path}.labels", errors)
    validate_annotations(annotations, f"{path}.annotations", errors)
    validate_pod_annotations(annotations, spec, f"{path}.annotations", errors)
    validate_pod_spec(spec, f"{path}.spec", errors)
    validate_profiles_match(annotations, spec, f"{path}.spec", errors)
    if spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", detail))


def validate_one_of_policies(value: Any, path: str, errors: Errors) -> None:
    """A restart policy, as an enumeration."""
    one_of(value, RESTART_POLICIES, path, errors, listed=RESTART_POLICIES)
