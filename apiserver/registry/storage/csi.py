"""What CSI drivers say about themselves: CSIDrivers, CSINodes and CSIStorageCapacities."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, nonnegative, one_of, require, same
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.sources import validate_csi_driver_name
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.quantities import canonical, validate_nonnegative_quantity
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import duplicate, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_DEFAULTS: dict[str, Any] = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 2**32
_LONGEST_NODE_ID = 256
_TOKEN_ADVICE = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true "
    "to prevent possible logging of tokens in volume attributes"
)


def _default_driver(driver: Object) -> None:
    spec = driver.setdefault("spec", {})
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _count_driver_changes(new: Object, old: Object, _ctx: RequestContext) -> None:
    """Only changes give a CSIDriver a generation."""
    if not same(new.get("spec"), old.get("spec")):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def _validate_driver(driver: Object, errors: Errors) -> None:
    spec = driver["spec"]
    one_of(spec["fsGroupPolicy"], _GROUP_POLICIES, "spec.fsGroupPolicy", errors)
    _validate_tokens(spec.get("tokenRequests") or [], "spec.tokenRequests", errors)
    for mode in spec["volumeLifecycleModes"]:
        one_of(mode, _LIFECYCLES, "spec.volumeLifecycleModes", errors, listed=_LIFECYCLES)
    period, in_secrets = spec.get("nodeAllocatableUpdatePeriodSeconds"), spec.get("serviceAccountTokenInSecrets")
    if period is not None and period < 10:
        detail = "must be greater than or equal to 10 seconds"
        errors.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, detail))
    if in_secrets is not None and not spec.get("tokenRequests"):
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        errors.append(invalid("spec.serviceAccountTokenInSecrets", in_secrets, detail))


def _validate_tokens(tokens: list[Fields], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, token in enumerate(tokens):
        audience, seconds = token.get("audience") or "", token.get("expirationSeconds")
        if audience in seen:
            errors.append(duplicate(f"{path}[{index}].audience", audience))
            continue
        seen.add(audience)
        place = f"{path}[{index}].expirationSeconds"
        if seconds is not None and seconds < _SHORTEST_TOKEN:
            errors.append(invalid(place, seconds, "may not specify a duration less than 10 minutes"))
        if seconds is not None and seconds > _LONGEST_TOKEN:
            errors.append(invalid(place, seconds, "may not specify a duration larger than 2^32 seconds"))


def _validate_driver_change(new: Object, old: Object, errors: Errors) -> None:
    spec, before = new["spec"], old.get("spec") or {}
    immutable(spec.get("attachRequired"), before.get("attachRequired"), "spec.attachedRequired", errors)
    modes = "volumeLifecycleModes"
    immutable(spec.get(modes), before.get(modes), f"spec.{modes}", errors)


def _warn_driver(driver: Object, old: Object | None) -> list[str]:
    spec, before = driver["spec"], (old or {}).get("spec") or {}
    tokens = spec.get("tokenRequests")
    changed = old is None or not same(tokens, before.get("tokenRequests"))
    return [_TOKEN_ADVICE] if tokens and changed and spec.get("serviceAccountTokenInSecrets") is None else []


def _driver_cells(driver: Object, now: datetime) -> list[Any]:
    spec = _DEFAULTS | {name: value for name, value in (driver.get("spec") or {}).items() if value is not None}
    tokens = spec.get("tokenRequests")
    audiences = ",".join(token.get("audience") or "" for token in tokens or ())
    return [
        name_of(driver),
        spec["attachRequired"],
        spec["podInfoOnMount"],
        spec["storageCapacity"],
        "<unset>" if tokens is None else audiences,
        spec["requiresRepublish"],
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(driver, now),
    ]


_DRIVER_TABLE = Table(
    (
        NAME,
        Column("AttachRequired", "boolean", "Whether volumes are attached before they are mounted."),
        Column("PodInfoOnMount", "boolean", "Whether the driver is told about the pod."),
        Column("StorageCapacity", "boolean", "Whether the driver reports how much space is left."),
        Column("TokenRequests", description="Audiences of the tokens that the driver gets."),
        Column("RequiresRepublish", "boolean", "Whether the driver is called again from time to time."),
        Column("Modes", description="Kinds of volumes that the driver makes."),
        AGE,
    ),
    _driver_cells,
)


def driver_strategy(resource: Resource) -> KindStrategy:
    """CSIDrivers."""
    return KindStrategy(
        resource=resource,
        defaulter=_default_driver,
        prepare_change=_count_driver_changes,
        validate=_validate_driver,
        validate_change=_validate_driver_change,
        table=_DRIVER_TABLE,
        warner=_warn_driver,
        allow_unconditional_update=False,
    )


def _drivers(node: Object) -> list[Fields]:
    found: list[Fields] = (node.get("spec") or {}).get("drivers") or []
    return found


def _validate_node(node: Object, errors: Errors) -> None:
    seen: set[str] = set()
    for index, driver in enumerate(_drivers(node)):
        path, name, node_id = f"spec.drivers[{index}]", driver.get("name") or "", driver.get("nodeID") or ""
        validate_csi_driver_name(name, f"{path}.name", errors)
        require(driver, "nodeID", path, errors)
        if len(node_id) > _LONGEST_NODE_ID:
            errors.append(invalid(f"{path}.nodeID", node_id, f"must be {_LONGEST_NODE_ID} characters or less"))
        nonnegative(driver.get("allocatable") or {}, "count", f"{path}.allocatable", errors)
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
        _validate_topology_keys(driver.get("topologyKeys") or [], path, errors)


def _validate_topology_keys(keys: list[str], path: str, errors: Errors) -> None:
    for index, key in enumerate(keys):
        if not key:
            errors.append(required(path))
        if key in keys[:index]:
            errors.append(duplicate(path, key))
        check(names.qualified_name, key, path, errors)


def _validate_node_change(new: Object, old: Object, errors: Errors) -> None:
    before = {driver.get("name"): driver for driver in _drivers(old)}
    for driver in _drivers(new):
        was = before.get(driver.get("name"))
        if was is not None:
            immutable(driver | {"allocatable": None}, was | {"allocatable": None}, "spec.drivers", errors)


def _node_cells(node: Object, now: datetime) -> list[Any]:
    return [name_of(node), len(_drivers(node)), age(node, now)]


def node_strategy(resource: Resource) -> KindStrategy:
    """CSINodes."""
    return KindStrategy(
        resource=resource,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        validate=_validate_node,
        validate_change=_validate_node_change,
        table=Table((NAME, Column("Drivers", "integer", "Drivers on the node."), AGE), _node_cells),
        allow_unconditional_update=False,
    )


def _validate_capacity(capacity: Object, errors: Errors) -> None:
    validate_label_selector(capacity.get("nodeTopology"), "nodeTopology", errors)
    check(names.subdomain_name, capacity.get("storageClassName") or "", "storageClassName", errors)
    if capacity.get("capacity") is not None:
        validate_nonnegative_quantity(capacity["capacity"], "capacity", errors)


def _validate_capacity_change(new: Object, old: Object, errors: Errors) -> None:
    for name in ("nodeTopology", "storageClassName"):
        immutable(new.get(name), old.get(name), name, errors)


def _capacity_cells(obj: Object, _now: datetime) -> list[Any]:
    amount = obj.get("capacity")
    return [name_of(obj), obj.get("storageClassName") or "", "<unset>" if amount is None else canonical(amount)]


_CAPACITY_TABLE = Table(
    (
        NAME,
        Column("StorageClassName", description="The class of storage it is about."),
        Column("Capacity", description="How much is left."),
    ),
    _capacity_cells,
)


def capacity_strategy(resource: Resource) -> KindStrategy:
    """CSIStorageCapacities."""
    return KindStrategy(
        resource=resource,
        validate=_validate_capacity,
        validate_change=_validate_capacity_change,
        table=_CAPACITY_TABLE,
        allow_unconditional_update=False,
    )
