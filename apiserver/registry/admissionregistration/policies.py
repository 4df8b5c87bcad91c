"""ValidatingAdmissionPolicies and their bindings. Expressions are checked for being there; CEL is not compiled."""

from __future__ import annotations

from apiserver.registry.admissionregistration.policyparts import (
    BINDING_TABLE,
    default_binding,
    default_policy,
    policy_table,
    validate_binding,
    validate_policy,
)
from apiserver.registry.checks import Errors, Fields, one_of, unique
from apiserver.registry.strategy import KindStrategy
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_EITHER = "validations or auditAnnotations must contain at least one item"
_MOST_AUDITS = 20
_REPEATS = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response "
    "and headers serves no purpose)"
)


def _validate(policy: Object, errors: Errors) -> None:
    spec = policy["spec"]
    validate_policy(spec, errors)
    validations, audits = spec.get("validations") or (), spec.get("auditAnnotations") or []
    if not validations and not audits:
        errors.extend(required(f"spec.{name}", _EITHER) for name in ("validations", "auditAnnotations"))
    for index, validation in enumerate(validations):
        _validate_validation(validation, f"spec.validations[{index}]", errors)
    _validate_audits(audits, name_of(policy), "spec.auditAnnotations", errors)


def _validate_validation(validation: Fields, path: str, errors: Errors) -> None:
    if not (validation.get("expression") or "").strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))
    for name in ("messageExpression", "message"):
        text = validation.get(name) or ""
        if text and not text.strip():
            errors.append(invalid(f"{path}.{name}", text, "must be non-empty if specified"))
        elif name == "message" and any(end in text.strip() for end in "\r\n"):
            errors.append(invalid(f"{path}.message", text, "must not contain line breaks"))
    if validation.get("reason") is not None:
        one_of(validation["reason"], _REASONS, f"{path}.reason", errors)


def _validate_audits(audits: list[Fields], policy: str, path: str, errors: Errors) -> None:
    if len(audits) > _MOST_AUDITS:
        detail = f"must not have more than {_MOST_AUDITS} auditAnnotations"
        errors.append(invalid(path, audits, detail))
    for index, audit in enumerate(audits):
        key = audit.get("key") or ""
        found = names.qualified_name(f"{policy}/{key}")
        errors.extend(invalid(f"{path}[{index}].key", f"{policy}/{key}", text) for text in found)
        if not (audit.get("valueExpression") or "").strip():
            detail = "valueExpression is not specified"
            errors.append(required(f"{path}[{index}].valueExpression", detail))
    unique([audit.get("key") or "" for audit in audits], lambda index: f"{path}[{index}].key", errors)


_TABLE = policy_table("validations", "Validations", "How many expressions it checks.")


def strategy(resource: Resource) -> KindStrategy:
    """ValidatingAdmissionPolicies."""
    return KindStrategy(
        resource=resource,
        defaulter=default_policy,
        has_status=True,
        generation_fields=("spec",),
        validate=_validate,
        table=_TABLE,
        allow_unconditional_update=False,
    )


def _validate_binding(binding: Object, errors: Errors) -> None:
    spec = binding["spec"]
    validate_binding(spec, errors)
    actions, path = spec.get("validationActions") or [], "spec.validationActions"
    for index, action in enumerate(actions):
        one_of(action, _ACTIONS, f"{path}[{index}]", errors)
    unique(actions, lambda index: f"{path}[{index}]", errors)
    if {"Deny", "Warn"} <= set(actions):
        errors.append(invalid(path, actions, _REPEATS))
    if not actions:
        errors.append(required(path))


def binding_strategy(resource: Resource) -> KindStrategy:
    """ValidatingAdmissionPolicyBindings."""
    return KindStrategy(
        resource=resource,
        defaulter=default_binding,
        generation_fields=("spec",),
        validate=_validate_binding,
        table=BINDING_TABLE,
        allow_unconditional_update=False,
    )
