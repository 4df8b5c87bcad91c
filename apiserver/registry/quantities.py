"""Resource lists: which names may stand where, which amounts, in which form they are kept.

Follows ``validateResourceRequirements`` and ``pkg/apis/core/helper``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from functools import lru_cache
from typing import Any

from apiserver.registry.checks import NEGATIVE, NOT_POSITIVE, Errors, Fields, check
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, not_found, not_supported, required
from minikube_py.api.quantity import (
    bytes_of,
    canonical_quantity,
    format_quantity,
    is_whole,
    parse_quantity,
    quantity,
    rounded_up,
)

_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
_QUOTA = (
    _COUNTED
    | frozenset(_COMPUTE)
    | {f"{kind}.{name}" for kind in ("requests", "limits") for name in _COMPUTE}
    | {"requests.storage"}
)
_STANDARD = _QUOTA | {"storage"}
_POD_LEVEL = ("cpu", "memory")

NameCheck = Callable[[str, str, Errors], None]


@lru_cache(maxsize=4096)
def amount(text: Any) -> Decimal:
    """The amount of a quantity; 0 for one that cannot be read (decoding refuses those before)."""
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)


@lru_cache(maxsize=4096)
def canonical(text: Any) -> str:
    """A quantity as the API gives it back, with the precision resource lists keep: a thousandth."""
    try:
        parsed = quantity(text)
    except ValueError:
        return str(text)
    rounded = rounded_up(parsed.value, 3)
    return format_quantity(rounded, parsed.form) if rounded != parsed.value else canonical_quantity(text)


def default_resource_list(resources: Fields | None) -> None:
    """``SetDefaults_ResourceList``: canonical amounts, in place."""
    for name, value in (resources or {}).items():
        text = canonical(value)
        if text != value and resources is not None:
            resources[name] = text


def is_native(name: str) -> bool:
    """Whether Kubernetes itself defines the resource."""
    return "/" not in name or "kubernetes.io/" in name


def is_hugepages(name: str) -> bool:
    """Whether the resource is huge pages of some size."""
    return name.startswith("hugepages-")


def is_extended(name: str) -> bool:
    """Whether the resource is one that vendors define (``example.com/gpu``)."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def is_overcommit_allowed(name: str) -> bool:
    """Whether a request may be below its limit."""
    return is_native(name) and not is_hugepages(name)


def is_integer(name: str) -> bool:
    """Whether only whole amounts make sense."""
    return name in _COUNTED or is_extended(name)


def is_standard(name: str) -> bool:
    """Whether the name needs no domain."""
    return name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))


def is_standard_quota(name: str) -> bool:
    """Whether Kubernetes itself counts the resource for quotas."""
    return name in _QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def validate_resource_name(name: str, path: str, errors: Errors) -> None:
    """A standard resource, or a qualified name."""
    before = len(errors)
    check(names.qualified_name, name, path, errors)
    if len(errors) == before and "/" not in name and not is_standard(name):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))


def validate_container_resource_name(name: str, path: str, errors: Errors) -> None:
    """A resource that a container can ask for."""
    if name in _CONTAINER:
        return
    validate_resource_name(name, path, errors)
    if "/" not in name:
        if not is_hugepages(name):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))


def validate_pod_resource_name(name: str, path: str, errors: Errors) -> None:
    """A resource that a pod as a whole can ask for."""
    before = len(errors)
    validate_resource_name(name, path, errors)
    if len(errors) == before and name not in _POD_LEVEL and not is_hugepages(name):
        errors.append(not_supported(path, name, _POD_LEVEL))


def validate_quota_resource_name(name: str, path: str, errors: Errors) -> None:
    """A resource that a ResourceQuota can limit."""
    validate_resource_name(name, path, errors)
    if "/" not in name and not is_standard_quota(name):
        errors.append(invalid(path, name, "must be a standard resource for quota"))


def validate_amount(name: str, value: Any, path: str, errors: Errors) -> None:
    """``ValidateResourceQuantityValue``: not negative, whole where only whole amounts make sense."""
    number = amount(value)
    if number < 0:
        errors.append(invalid(path, canonical(value), NEGATIVE))
    if not is_whole(number) and is_integer(name):
        errors.append(invalid(path, value, "must be an integer"))


def validate_nonnegative_quantity(value: Any, path: str, errors: Errors) -> None:
    """A quantity that is not negative."""
    if amount(value) < 0:
        errors.append(invalid(path, canonical(value), NEGATIVE))


def validate_positive_quantity(value: Any, path: str, errors: Errors) -> None:
    """A quantity above zero."""
    if amount(value) <= 0:
        errors.append(invalid(path, canonical(value), NOT_POSITIVE))


def validate_requirements(
    requirements: Fields,
    path: str,
    errors: Errors,
    *,
    name_check: NameCheck = validate_container_resource_name,
    claim_names: Collection[str] = (),
) -> None:
    """Requests and limits of a container or a pod, and its resource claims."""
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    for name, value in limits.items():
        _validate_entry(name, value, f"{path}.limits[{name}]", name_check, errors)
    for name, value in requests.items():
        _validate_entry(name, value, f"{path}.requests[{name}]", name_check, errors)
        _validate_request(name, value, limits, path, errors)
    asked = limits.keys() | requests.keys()
    if any(is_hugepages(name) for name in asked) and not asked & {"cpu", "memory"}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    if claims := requirements.get("claims"):
        _validate_claims(claims, claim_names, f"{path}.claims", errors)


def _validate_entry(name: str, value: Any, path: str, name_check: NameCheck, errors: Errors) -> None:
    name_check(name, path, errors)
    validate_amount(name, value, path, errors)
    if is_hugepages(name):
        size = amount(name.removeprefix("hugepages-"))
        if size <= 0 or not is_whole(size) or bytes_of(value) % bytes_of(size):
            detail = f"{canonical(value)} is not positive integer multiple of {name}"
            errors.append(invalid(path, canonical(value), detail))


def _validate_request(name: str, value: Any, limits: Fields, path: str, errors: Errors) -> None:
    limit = limits.get(name)
    overcommit = is_overcommit_allowed(name)
    if limit is None:
        if not overcommit:
            errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
    elif not overcommit and amount(value) != amount(limit):
        detail = f"must be equal to {name} limit of {canonical(limit)}"
        errors.append(invalid(f"{path}.requests", canonical(value), detail))
    elif amount(value) > amount(limit):
        detail = f"must be less than or equal to {name} limit of {canonical(limit)}"
        errors.append(invalid(f"{path}.requests", canonical(value), detail))


def _validate_claims(claims: list[Fields], claim_names: Collection[str], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        name, request = claim.get("name") or "", claim.get("request") or ""
        place = f"{path}[{index}]"
        if not name:
            errors.append(required(place))
            continue
        if request:
            check(names.dns1123_label, request, f"{place}.request", errors)
        key = f"{name}/{request}" if request else name
        if key in seen or name in seen:
            errors.append(duplicate(place, key if key in seen else name))
        elif not request and any(other.startswith(f"{name}/") for other in seen):
            errors.append(duplicate(place, name))
        seen.add(key)
        if name not in claim_names:
            errors.append(not_found(place, name))
