"""MutatingAdmissionPolicies and their bindings (KEP-3962). Expressions are checked for being there, not compiled."""

from __future__ import annotations

from apiserver.registry.admissionregistration.policyparts import (
    BINDING_TABLE,
    default_binding,
    default_policy,
    policy_table,
    validate_binding,
    validate_operations,
    validate_policy,
)
from apiserver.registry.checks import Errors, Fields, require_one_of
from apiserver.registry.strategy import KindStrategy
from minikube_py.api.fields import invalid, required
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: A deletion has no object to change.
_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
_PATCHES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


def _validate(policy: Object, errors: Errors) -> None:
    spec = policy["spec"]
    validate_policy(spec, errors, operations=_OPERATIONS)
    mutations = spec.get("mutations") or ()
    if not mutations:
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(mutations):
        _validate_mutation(mutation, f"spec.mutations[{index}]", errors)
    require_one_of(spec.get("reinvocationPolicy"), ("IfNeeded", "Never"), "spec.reinvocationPolicy", errors)


def _validate_mutation(mutation: Fields, path: str, errors: Errors) -> None:
    kind = mutation.get("patchType") or ""
    require_one_of(kind, _PATCHES, f"{path}.patchType", errors)
    for other, name in _PATCHES.items() if kind in _PATCHES else ():
        given, place = mutation.get(name), f"{path}.{name}"
        if other != kind:
            if given is not None:
                errors.append(invalid(place, f"{{{name}}}", f"must not be specified when patchType is {kind}"))
        elif given is None:
            errors.append(required(place, f"must be specified when patchType is {kind}"))
        elif not (given.get("expression") or "").strip():
            errors.append(required(f"{place}.expression"))


_TABLE = policy_table("mutations", "Mutations", "How many expressions change objects.")


def strategy(resource: Resource) -> KindStrategy:
    """MutatingAdmissionPolicies."""
    return KindStrategy(
        resource=resource,
        defaulter=default_policy,
        generation_fields=("spec",),
        validate=_validate,
        table=_TABLE,
        allow_unconditional_update=False,
    )


def _validate_binding(binding: Object, errors: Errors) -> None:
    spec = binding["spec"]
    validate_binding(spec, errors)
    if (matched := spec.get("matchResources")) is not None:
        validate_operations(matched, "spec.matchResources", _OPERATIONS, errors)


def binding_strategy(resource: Resource) -> KindStrategy:
    """MutatingAdmissionPolicyBindings."""
    return KindStrategy(
        resource=resource,
        defaulter=default_binding,
        generation_fields=("spec",),
        validate=_validate_binding,
        table=BINDING_TABLE,
        allow_unconditional_update=False,
    )
