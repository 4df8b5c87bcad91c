"""HorizontalPodAutoscalers, in the form they are stored in (``autoscaling/v2``)."""

from __future__ import annotations

from typing import Any

from apiserver.registry.autoscaling.metrics import validate_metrics
from apiserver.registry.autoscaling.printer import TABLE
from apiserver.registry.autoscaling.target import validate_target
from apiserver.registry.checks import Errors, Fields, nonnegative, one_of, require
from apiserver.registry.quantities import validate_nonnegative_quantity
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from minikube_py.api.fields import invalid, required
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_POLICY_TYPES = ("Percent", "Pods")


def _policy(kind: str, value: int) -> Fields:
    return {"type": kind, "value": value, "periodSeconds": 15}


def _default(autoscaler: Object) -> None:
    spec = autoscaler.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        up: Fields = {"stabilizationWindowSeconds": 0, "policies": [_policy("Pods", 4), _policy("Percent", 100)]}
        _default_rules(behavior, "scaleUp", up)
        _default_rules(behavior, "scaleDown", {"policies": [_policy("Percent", 100)]})


def _default_rules(behavior: Fields, direction: str, defaults: Fields) -> None:
    given = {name: value for name, value in (behavior.get(direction) or {}).items() if value is not None}
    behavior[direction] = {"selectPolicy": "Max"} | defaults | given


def _target(autoscaler: Object) -> Fields:
    found: Fields = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    return found


def _validate(autoscaler: Object, errors: Errors, *, read_version: bool = True) -> None:
    spec, target = autoscaler.get("spec") or {}, _target(autoscaler)
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    nonnegative(spec, "minReplicas", "spec", errors)
    if most < 0:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if least is not None and most < least:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    grouped = target.get("kind") != "ReplicationController"
    validate_target(target, "spec.scaleTargetRef", errors, version=read_version, group_needed=grouped)
    validate_metrics(spec.get("metrics") or [], least, "spec.metrics", errors)
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            _validate_rules(rules, f"spec.behavior.{direction}", errors)
    if most == 0:
        errors.append(required("spec.maxReplicas"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    kinds = [(_target(obj).get("apiVersion"), _target(obj).get("kind")) for obj in (new, old)]
    _validate(new, errors, read_version=kinds[0] != kinds[1])


def _validate_rules(rules: Fields, path: str, errors: Errors) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, detail))
    if rules.get("selectPolicy") is not None:
        one_of(rules["selectPolicy"], _SELECT_POLICIES, f"{path}.selectPolicy", errors)
    require(rules, "policies", path, errors, "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        _validate_policy(policy, f"{path}.policies[{index}]", errors)
    if rules.get("tolerance") is not None:
        validate_nonnegative_quantity(rules["tolerance"], f"{path}.tolerance", errors)


def _validate_policy(policy: Fields, path: str, errors: Errors) -> None:
    one_of(policy.get("type") or "", _POLICY_TYPES, f"{path}.type", errors)
    for name in ("value", "periodSeconds"):
        if (policy.get(name) or 0) <= 0:
            errors.append(invalid(f"{path}.{name}", policy.get(name) or 0, "must be greater than zero"))
    if (policy.get("periodSeconds") or 0) > _LONGEST_PERIOD:
        detail = f"must be less than or equal to {_LONGEST_PERIOD}"
        errors.append(invalid(f"{path}.periodSeconds", policy["periodSeconds"], detail))


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    status: dict[str, Any] = new.get("status") or {}
    for index, condition in enumerate(status.get("conditions") or ()):
        nonnegative(condition, "observedGeneration", f"status.conditions[{index}]", errors)
    for name in ("currentReplicas", "desiredReplicas"):
        nonnegative(status, name, "status", errors)


def strategy(resource: Resource) -> KindStrategy:
    """HorizontalPodAutoscalers."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        new_status=lambda: {"desiredReplicas": 0, "currentMetrics": None},
        generation_fields=("spec",),
        validate_new=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=TABLE,
    )
