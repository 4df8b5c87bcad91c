"""Which address families a Service gets (KEP-563): from its policy, its addresses and the cluster's ranges."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields
from apiserver.registry.core.service.allocators import IPV4, IPV6, ServiceAllocators, family_of
from apiserver.registry.core.service.clusterips import validate_cluster_ips
from apiserver.registry.core.service.defaults import needs_cluster_ip
from minikube_py.api.fields import invalid, invalid_object
from minikube_py.api.types import Object

_POLICY = "spec.ipFamilyPolicy"
_PREFER = "PreferDualStack"


def init_families(service: Object, old: Object | None, allocators: ServiceAllocators) -> None:
    """Fills ipFamilyPolicy and ipFamilies in place. Raises Invalid where they contradict each other or the cluster."""
    spec, before = service["spec"], (old or {}).get("spec")
    if not needs_cluster_ip(spec) or matches_prefer_dual_stack(spec, before):
        return
    headless_by_hand = spec.get("clusterIP") == "None" and not spec.get("selector")
    if spec.get("ipFamilyPolicy") is None:
        inherited = before.get("ipFamilyPolicy") if before else None
        spec["ipFamilyPolicy"] = inherited or ("RequireDualStack" if headless_by_hand else "SingleStack")
    errors: Errors = []
    validate_cluster_ips(spec, before, errors)
    _refuse(service, errors)
    if before is not None:
        _follow_policy(spec, before, errors)
    _check_counts(spec, errors)
    _add_families_of_addresses(spec, allocators, errors)
    _refuse(service, errors)
    if headless_by_hand:
        _fill_by_hand(spec, allocators.families[0])
        return
    _check_configured(spec, allocators, errors)
    _refuse(service, errors)
    families = spec["ipFamilies"] = spec.get("ipFamilies") or [allocators.families[0]]
    if spec["ipFamilyPolicy"] != "SingleStack" and len(families) == 1 and len(allocators.families) == 2:
        spec["ipFamilies"] = [families[0], _other(families[0])]


def _other(family: str) -> str:
    return IPV6 if family == IPV4 else IPV4


def _refuse(service: Object, errors: Errors) -> None:
    if errors:
        raise invalid_object("", "Service", service["metadata"].get("name") or "", errors)


def _follow_policy(spec: Fields, before: Fields, errors: Errors) -> None:
    policy, addresses, families = spec["ipFamilyPolicy"], spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    old_addresses, old_families = before.get("clusterIPs") or [], before.get("ipFamilies") or []
    if policy == "SingleStack":
        if addresses == old_addresses and len(addresses) > 1:
            spec["clusterIPs"] = addresses[:1]
        if families == old_families and len(families) > 1:
            spec["ipFamilies"] = families[:1]
        return
    if 0 < len(addresses) < len(old_addresses):
        detail = "must be 'SingleStack' to release the secondary cluster IP"
        errors.append(invalid(_POLICY, policy, detail))
    if 0 < len(families) < len(old_families):
        detail = "must be 'SingleStack' to release the secondary IP family"
        errors.append(invalid(_POLICY, policy, detail))


def _check_counts(spec: Fields, errors: Errors) -> None:
    if spec["ipFamilyPolicy"] != "SingleStack":
        return
    for field, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if len(spec.get(field) or ()) == 2:
            detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            errors.append(invalid(_POLICY, "SingleStack", detail))


def _add_families_of_addresses(spec: Fields, allocators: ServiceAllocators, errors: Errors) -> None:
    families = list(spec.get("ipFamilies") or ())
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address == "None":
            break
        family = family_of(address)
        if index < len(families):
            continue
        if family in allocators.ranges:
            families.append(family)
        else:
            detail = f"{family} is not configured on this cluster"
            errors.append(invalid(f"spec.clusterIPs[{index}]", spec["clusterIPs"], detail))
    if families:
        spec["ipFamilies"] = families


def _fill_by_hand(spec: Fields, primary: str) -> None:
    families = spec["ipFamilies"] = list(spec.get("ipFamilies") or [primary])
    if len(families) < 2 and spec["ipFamilyPolicy"] != "SingleStack":
        families.append(_other(families[0]))


def _check_configured(spec: Fields, allocators: ServiceAllocators, errors: Errors) -> None:
    if spec["ipFamilyPolicy"] == "RequireDualStack" and len(allocators.families) < 2:
        detail = "this cluster is not configured for dual-stack services"
        errors.append(invalid(_POLICY, "RequireDualStack", detail))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in allocators.ranges:
            errors.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))


def matches_prefer_dual_stack(spec: Fields, before: Fields | None) -> bool:
    """Whether an update leaves a PreferDualStack Service's addresses as they are, so that nothing is upgraded."""
    if before is None or spec.get("ipFamilyPolicy") is None or before.get("type") != spec.get("type"):
        return False
    if spec.get("type") not in ("ClusterIP", "NodePort", "LoadBalancer"):
        return False
    if spec["ipFamilyPolicy"] != _PREFER or before.get("ipFamilyPolicy") not in (None, _PREFER):
        return False
    return all(
        (spec.get(field) or None) == (before.get(field) or None) for field in ("clusterIP", "clusterIPs", "ipFamilies")
    )
