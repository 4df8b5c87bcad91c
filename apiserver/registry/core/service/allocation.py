"""Gives Services their addresses and node ports, before they are checked: it only reads the books.

What is proposed here is entered when the write has been committed (``ServiceAllocators.record``); nothing else can
happen in between.
"""

from __future__ import annotations

from apiserver.registry.checks import Fields
from apiserver.registry.core.service.allocators import (
    AllocationError,
    RangeFull,
    ServiceAllocators,
    family_of,
    node_ports_of,
)
from apiserver.registry.core.service.defaults import (
    allocates_node_ports,
    needs_cluster_ip,
    needs_health_check,
    needs_node_port,
)
from apiserver.registry.core.service.families import init_families, matches_prefer_dual_stack
from minikube_py.api.errors import InternalError, Invalid
from minikube_py.api.fields import invalid, invalid_object
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object


def allocate_new(service: Object, allocators: ServiceAllocators) -> None:
    """Completes a new Service in place. Raises Invalid when what it asks for cannot be had."""
    spec = service["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    init_families(service, None, allocators)
    _allocate_addresses(service, allocators)
    taken: set[int] = set()
    if needs_node_port(spec):
        _new_node_ports(service, allocators, taken)
    if needs_health_check(spec):
        _health_check_port(service, allocators, taken)


def allocate_change(service: Object, old: Object, allocators: ServiceAllocators) -> None:
    """Completes a changed Service in place: kept, upgraded, given up. Raises Invalid as above."""
    spec, before = service["spec"], old["spec"]
    _keep_allocated(spec, before)
    _normalize(spec, before)
    init_families(service, old, allocators)
    _change_addresses(service, old, allocators)
    taken: set[int] = set()
    if needs_node_port(spec):
        _change_node_ports(service, old, allocators, taken)
    if needs_health_check(spec) and not needs_health_check(before):
        _health_check_port(service, allocators, taken | node_ports_of(old))


def _refusal(service: Object, path: str, value: object, text: str) -> Invalid:
    return invalid_object("", "Service", name_of(service), [invalid(path, value, text)])


def _keep_allocated(spec: Fields, before: Fields) -> None:
    """A client that replaces a Service without its allocated values keeps them."""
    if needs_cluster_ip(spec) and needs_cluster_ip(before):
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if not spec.get("clusterIPs") and before.get("clusterIPs"):
            spec["clusterIPs"] = list(before["clusterIPs"])
    if allocates_node_ports(spec) and allocates_node_ports(before):
        old_ports, new_ports = before.get("ports") or [], spec.get("ports") or []
        held = {port.get("nodePort") or 0 for port in old_ports}
        used = held & {port.get("nodePort") or 0 for port in new_ports}
        by_name = {port.get("name") or "": port.get("nodePort") or 0 for port in old_ports}
        for port in new_ports:
            kept = by_name.get(port.get("name") or "", 0)
            if not port.get("nodePort") and kept and kept not in used:
                port["nodePort"] = kept
    if needs_health_check(spec) and needs_health_check(before) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort")


def _normalize(spec: Fields, before: Fields) -> None:
    """Lets clients that only know ``clusterIP`` change it: ``clusterIPs`` follows."""
    single, old_single = spec.get("clusterIP") or "", before.get("clusterIP") or ""
    plural, old_plural = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if old_plural and not plural and single == old_single:
        spec["clusterIPs"] = list(old_plural)
    if single == old_single or plural != old_plural:
        return
    if old_single and not single:
        spec.pop("clusterIPs", None)
    else:
        spec["clusterIPs"] = [single]


def _allocate_addresses(service: Object, allocators: ServiceAllocators) -> None:
    spec = service["spec"]
    given = list(spec.get("clusterIPs") or ())
    if not needs_cluster_ip(spec) or given[:1] == ["None"]:
        return
    for index, family in enumerate(spec["ipFamilies"]):
        if index >= len(given):
            given.append("")
        given[index] = _address(service, family, given[index], allocators)
    spec["clusterIPs"], spec["clusterIP"] = given, given[0]


def _address(service: Object, family: str, wanted: str, allocators: ServiceAllocators) -> str:
    try:
        if not wanted:
            return allocators.pick_address(family)
        allocators.check_address(wanted)
        return wanted
    except RangeFull as full:
        detail = f'failed to allocate a serviceIP for Service "{name_of(service)}": {full}'
        raise InternalError(f"Internal error occurred: {detail}") from None
    except AllocationError as error:
        shown = service["spec"].get("clusterIPs") or [wanted]
        raise _refusal(service, "spec.clusterIPs", shown, f"failed to allocate IP {wanted}: {error}") from None


def _change_addresses(service: Object, old: Object, allocators: ServiceAllocators) -> None:
    spec, before = service["spec"], old["spec"]
    if matches_prefer_dual_stack(spec, before) or not needs_cluster_ip(spec):
        return
    if not needs_cluster_ip(before):
        _allocate_addresses(service, allocators)
        return
    if (before.get("clusterIPs") or [])[:1] == ["None"]:
        return
    families, old_families = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if len(old_families) == 1 and len(families) == 2:
        addresses = list(spec.get("clusterIPs") or ())
        wanted = addresses[1] if len(addresses) > 1 else ""
        spec["clusterIPs"] = [*addresses[:1], _address(service, families[1], wanted, allocators)]


def _new_node_ports(service: Object, allocators: ServiceAllocators, taken: set[int]) -> None:
    """One node port per port number: TCP and UDP of one port share theirs."""
    spec = service["spec"]
    by_port: dict[int, int] = {}
    for index, port in enumerate(spec.get("ports") or ()):
        wanted, number = port.get("nodePort") or 0, port.get("port") or 0
        if not wanted and not allocates_node_ports(spec):
            continue
        shared = by_port.get(number, 0)
        if not shared:
            asked = next((p["nodePort"] for p in spec["ports"] if p.get("port") == number and p.get("nodePort")), 0)
            port["nodePort"] = by_port[number] = _node_port(service, index, asked, allocators, taken)
        elif not wanted:
            port["nodePort"] = shared
        elif wanted != shared:
            _node_port(service, index, wanted, allocators, taken)


def _node_port(service: Object, index: int, wanted: int, allocators: ServiceAllocators, taken: set[int]) -> int:
    try:
        if wanted:
            allocators.check_port(wanted, taken)
        else:
            wanted = allocators.pick_port(taken)
    except RangeFull as full:
        raise InternalError(f"Internal error occurred: failed to allocate a nodePort: {full}") from None
    except AllocationError as error:
        raise _refusal(service, f"spec.ports[{index}].nodePort", wanted, str(error)) from None
    taken.add(wanted)
    return wanted


def _change_node_ports(service: Object, old: Object, allocators: ServiceAllocators, taken: set[int]) -> None:
    spec, held = service["spec"], {port.get("nodePort") or 0 for port in old["spec"].get("ports") or ()} - {0}
    chosen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        wanted = port.get("nodePort") or 0
        if not wanted:
            if not allocates_node_ports(spec):
                continue
            port["nodePort"] = _node_port(service, index, 0, allocators, taken)
        elif wanted not in held and wanted not in taken:
            _node_port(service, index, wanted, allocators, taken)
        key = (port.get("protocol") or "", port["nodePort"])
        if key in chosen:
            raise InternalError(f"duplicate nodePort: {{{key[0]} {key[1]}}}")
        chosen.add(key)


def _health_check_port(service: Object, allocators: ServiceAllocators, taken: set[int]) -> None:
    wanted = service["spec"].get("healthCheckNodePort") or 0
    try:
        if wanted:
            allocators.check_port(wanted, taken)
        else:
            service["spec"]["healthCheckNodePort"] = allocators.pick_port(taken)
    except AllocationError as error:
        asked = f"requested HealthCheck NodePort {wanted}" if wanted else "a HealthCheck NodePort 0"
        raise InternalError(f"Internal error occurred: failed to allocate {asked}: {error}") from None


def drop_type_dependent(service: Object, old: Object) -> None:
    """Forgets, in place, what belonged to the type a Service had before and was not changed by hand."""
    spec, before = service["spec"], old["spec"]
    if needs_cluster_ip(before) and not needs_cluster_ip(spec):
        _drop_same(spec, before, ("clusterIP", "clusterIPs"))
        _drop_same(spec, before, ("ipFamilies",))
        _drop_same(spec, before, ("ipFamilyPolicy",))
    if needs_node_port(before) and not needs_node_port(spec):
        held = {port.get("nodePort") or 0 for port in before.get("ports") or ()}
        if {port.get("nodePort") or 0 for port in spec.get("ports") or ()} - {0} <= held:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if needs_health_check(before) and not needs_health_check(spec):
        _drop_same(spec, before, ("healthCheckNodePort",))
    if before.get("type") == "LoadBalancer" != spec.get("type"):
        _drop_same(spec, before, ("allocateLoadBalancerNodePorts",))
        _drop_same(spec, before, ("loadBalancerClass",))
    was_open = before.get("type") in ("LoadBalancer", "NodePort") or bool(before.get("externalIPs"))
    is_open = spec.get("type") in ("LoadBalancer", "NodePort") or (
        spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    if was_open and not is_open:
        _drop_same(spec, before, ("externalTrafficPolicy",))
    if spec.get("type") != "LoadBalancer" and "status" in service:
        service["status"] = {**(service["status"] or {}), "loadBalancer": {}}
    if spec.get("type") == "ExternalName" and before.get("type") != "ExternalName":
        _drop_same(spec, before, ("internalTrafficPolicy",))


def _drop_same(spec: Fields, before: Fields, fields: tuple[str, ...]) -> None:
    if all(spec.get(field) == before.get(field) for field in fields):
        for field in fields:
            spec.pop(field, None)


def primary_family(spec: Fields) -> str:
    """The family a Service's first address has."""
    addresses = spec.get("clusterIPs") or ()
    return family_of(addresses[0]) if addresses and addresses[0] != "None" else ""
