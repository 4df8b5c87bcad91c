"""Nodes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, require_one_of
from apiserver.registry.core.podspec.scheduling import TAINT_EFFECTS
from apiserver.registry.quantities import default_resource_list, validate_amount
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status, keep_status
from apiserver.registry.table import AGE, NAME, NONE, UNKNOWN, Column, Table, age, wide
from minikube_py.api import names
from minikube_py.api.fields import FieldError, duplicate, forbidden, invalid
from minikube_py.api.meta import find_condition, labels_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_ROLE_PREFIX, _ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"
_CIDR_ONCE = 'node updates may not change podCIDR except from "" to valid'
_feature_match = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*").fullmatch


def _default(node: Object) -> None:
    spec, status = node.setdefault("spec", {}), node.setdefault("status", {})
    cidrs, cidr = spec.get("podCIDRs"), spec.get("podCIDR")
    if cidr and not cidrs:
        spec["podCIDRs"] = [cidr]
    elif cidrs and not cidr:
        spec["podCIDR"] = cidrs[0]
    default_resource_list(status.get("capacity"))
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])
    default_resource_list(status.get("allocatable"))


def _validate(node: Object, errors: Errors) -> None:
    spec = node.get("spec") or {}
    if taints := spec.get("taints"):
        _validate_taints(taints, "metadata.taints", errors)
    _validate_resources(node, errors)
    _validate_features(node, errors)
    cidrs = spec.get("podCIDRs") or []
    for index, cidr in enumerate(cidrs):
        check(names.cidr, cidr, f"spec.podCIDRs[{index}]", errors)
    if len(cidrs) > 1 and (len(cidrs) > 2 or len({":" in cidr for cidr in cidrs}) < 2):
        detail = "may specify no more than one CIDR for each IP family"
        errors.append(invalid("spec.podCIDRs", cidrs, detail))


def _validate_taints(taints: list[Fields], path: str, errors: Errors) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        place, key, effect = f"{path}[{index}]", taint.get("key") or "", taint.get("effect") or ""
        check(names.qualified_name, key, f"{place}.key", errors)
        if found := names.label_value(taint.get("value") or ""):
            errors.append(invalid(f"{place}.value", taint["value"], ";".join(found)))
        require_one_of(effect, TAINT_EFFECTS, f"{place}.effect", errors, listed=TAINT_EFFECTS)
        if (key, effect) in seen:
            bare = duplicate(place, taint)
            detail = "taints must be unique by key and effect pair"
            errors.append(FieldError(bare.reason, bare.field, f"{bare.text}: {detail}"))
        seen.add((key, effect))


def _validate_resources(node: Object, errors: Errors) -> None:
    status = node.get("status") or {}
    for kind in ("capacity", "allocatable"):
        for name, value in (status.get(kind) or {}).items():
            validate_amount(name, value, f"status.{kind}.{name}", errors)


def _validate_features(node: Object, errors: Errors) -> None:
    features = (node.get("status") or {}).get("declaredFeatures") or []
    for index, feature in enumerate(features):
        path = f"status.declaredFeatures[{index}]"
        if not _feature_match(feature):
            detail = (
                f'invalid feature name "{feature}": must start with an UpperCamelCase segment, with subsequent '
                "segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only "
                "alphanumeric characters and slashes"
            )
            errors.append(invalid(path, feature, detail))
        if index and feature == features[index - 1]:
            errors.append(duplicate(path, feature))
        elif index and feature < features[index - 1]:
            errors.append(invalid(path, feature, "list must be sorted alphabetically"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    _validate_resources(new, errors)
    _validate_features(new, errors)
    seen: list[Fields] = []
    for index, address in enumerate((new.get("status") or {}).get("addresses") or ()):
        if address in seen:
            errors.append(duplicate(f"status.addresses[{index}]", address))
        seen.append(address)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    cidrs, old_cidrs = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    if old_cidrs and len(cidrs) != len(old_cidrs):
        errors.append(forbidden("spec.podCIDRs", _CIDR_ONCE))
    elif old_cidrs:
        errors.extend(forbidden("spec.podCIDRs", _CIDR_ONCE) for a, b in zip(cidrs, old_cidrs, strict=True) if a != b)
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        word = "modified" if spec.get("providerID") else "cleared"
        errors.append(invalid("spec.providerID", None, f"field cannot be {word} once set"))
    if taints := spec.get("taints"):
        _validate_taints(taints, "metadata.taints", errors)


def _status(node: Object) -> str:
    ready = find_condition((node.get("status") or {}).get("conditions"), "Ready")
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Object) -> str:
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels_of(node) if key.startswith(_ROLE_PREFIX)}
    roles.add(labels_of(node).get(_ROLE, ""))
    return ",".join(sorted(roles - {""})) or NONE


def _address(node: Object, kind: str) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((item.get("address") or "" for item in addresses if item.get("type") == kind), NONE)


def _cells(node: Object, now: datetime) -> list[Any]:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        name_of(node),
        _status(node),
        _roles(node),
        age(node, now),
        info.get("kubeletVersion") or "",
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


_TABLE = Table(
    (
        NAME,
        Column("Status", description="Whether the node is ready, and whether it takes new pods."),
        Column("Roles", description="Roles from the node's labels."),
        AGE,
        Column("Version", description="Version of the kubelet."),
        wide("Internal-IP", "The node's address inside the cluster's network."),
        wide("External-IP", "The node's address outside of it."),
        wide("OS-Image", "Name of the operating system."),
        wide("Kernel-Version", "Version of the kernel."),
        wide("Container-Runtime", "Name and version of the container runtime."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """Nodes. Clients may create them with a status: kubelets do."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=False,
        prepare_change=keep_status,
        validate=_validate,
        validate_change=_validate_change,
        revalidate=False,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_change)},
        table=_TABLE,
    )
