"""Checks of a Service's addresses and families, and of how they may change."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, one_of
from apiserver.registry.core.service.allocators import IPV4, IPV6
from apiserver.registry.core.service.defaults import is_headless, needs_cluster_ip
from minikube_py.api import names
from minikube_py.api.fields import duplicate, invalid, required

_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_ONCE = "may not change once set"


def validate_cluster_ips(spec: Fields, before: Fields | None, errors: Errors) -> None:
    """``ValidateServiceClusterIPsRelatedFields``."""
    if not needs_cluster_ip(spec):
        return
    addresses, families, policy = spec.get("clusterIPs") or [], spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    _match_single(spec.get("clusterIP") or "", addresses, errors)
    seen: set[str] = set()
    for index, family in enumerate(families):
        one_of(family, (IPV4, IPV6), f"spec.ipFamilies[{index}]", errors)
        if family in seen:
            errors.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    if policy is not None:
        one_of(policy, _POLICIES, "spec.ipFamilyPolicy", errors)
    if _validate_addresses(addresses, (before or {}).get("clusterIPs") or (), errors):
        _validate_pair(addresses, families, errors)


def _match_single(single: str, addresses: list[str], errors: Errors) -> None:
    if single:
        if not addresses:
            errors.append(required("spec.clusterIPs"))
        elif addresses[0] != single:
            errors.append(invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`"))
    elif addresses:
        errors.append(invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified"))


def _validate_addresses(addresses: list[str], known: list[str] | tuple[str, ...], errors: Errors) -> bool:
    good = True
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                good = False
                errors.append(invalid("spec.clusterIPs", addresses, "'None' must be the first and only value"))
            continue
        found = [] if address in known else names.ip_address(address)
        good = good and not found
        errors.extend(invalid(f"spec.clusterIPs[{index}]", address, text) for text in found)
    if len(addresses) > 2:
        errors.append(invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"))
    return good


def _validate_pair(addresses: list[str], families: list[str], errors: Errors) -> None:
    if len(addresses) > 1 and len({":" in address for address in addresses}) < 2:
        detail = "may specify no more than one IP for each IP family"
        errors.append(invalid("spec.clusterIPs", addresses, detail))
    if addresses == ["None"]:
        return
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if family in (IPV4, IPV6) and (":" in address) != (family == IPV6):
            detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(invalid(f"spec.clusterIPs[{index}]", address, detail))


def validate_address_changes(spec: Fields, before: Fields, errors: Errors) -> None:
    """A primary address stays; a second one comes and goes with the policy."""
    if not needs_cluster_ip(spec) or not needs_cluster_ip(before) or (is_headless(spec) and is_headless(before)):
        return
    new, old = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    shown = spec.get("clusterIPs") or None
    if len(old) == len(new):
        changed = [index for index, address in enumerate(old) if address != new[index]]
        errors.extend(invalid(f"spec.clusterIPs[{index}]", shown, _ONCE) for index in changed)
        return
    if len(old) > len(new) and not new:
        errors.append(invalid("spec.clusterIPs[0]", shown, "primary clusterIP can not be unset"))
    if old and new and new[0] != old[0]:
        errors.append(invalid("spec.clusterIPs[0]", shown, _ONCE))
    if len(old) > len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), detail))


def validate_family_changes(spec: Fields, before: Fields, errors: Errors) -> None:
    """The same for families."""
    if not needs_cluster_ip(spec) or not needs_cluster_ip(before) or is_headless(spec) or is_headless(before):
        return
    new, old = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if len(old) == len(new):
        errors.extend(invalid("spec.ipFamilies[0]", new, _ONCE) for a, b in zip(old, new, strict=True) if a != b)
        return
    if len(old) > len(new) and not spec.get("clusterIPs"):
        errors.append(invalid("spec.ipFamilies[0]", new or None, "primary ipFamily can not be unset"))
    if old and new and new[0] != old[0]:
        errors.append(invalid("spec.ipFamilies[0]", spec.get("clusterIPs"), _ONCE))
    if len(old) > len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), detail))
