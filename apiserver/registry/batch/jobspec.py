"""Checks of a job's spec, in Jobs and in the templates of CronJobs (``validateJobSpec``)."""

from __future__ import annotations

from apiserver.registry.batch.indexes import IndexesError, count_indexes
from apiserver.registry.checks import Errors, Fields, check, domain_path, nonnegative, one_of
from apiserver.registry.core.podspec.spec import validate_template
from minikube_py.api import names
from minikube_py.api.fields import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)

_NUMBERS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_MANY = 100_000
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_MODES = ("NonIndexed", "Indexed")
_NEEDS_INDEXES = "requires indexed completion mode"
_LONGEST_INDEXES = 64 * 1024


def bare_invalid(path: str, detail: str) -> FieldError:
    """A refusal that shows no value."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {detail}")


def validate_job_spec(spec: Fields, path: str, errors: Errors) -> None:
    """Everything but the selector, which Jobs and CronJobs treat differently."""
    for name in _NUMBERS:
        nonnegative(spec, name, path, errors)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.get("managedBy") is not None:
        domain_path(spec["managedBy"], f"{path}.managedBy", errors)
        if len(spec["managedBy"]) > names.LABEL_MAX_LENGTH:
            errors.append(too_long(f"{path}.managedBy", names.LABEL_MAX_LENGTH))
    mode = spec.get("completionMode")
    if mode is not None:
        one_of(mode, _MODES, f"{path}.completionMode", errors, listed=_MODES)
    if mode == "Indexed":
        _validate_indexed(spec, path, errors)
    else:
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                errors.append(invalid(f"{path}.{name}", spec[name], _NEEDS_INDEXES))
    _validate_policies(spec, path, errors)
    validate_template(spec.get("template") or {}, f"{path}.template", errors)
    _validate_restart_policy(spec, f"{path}.template.spec.restartPolicy", errors)


def _validate_indexed(spec: Fields, path: str, errors: Errors) -> None:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MANY:
        detail = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        errors.append(invalid(f"{path}.parallelism", parallelism, detail))
    if completions is not None and failed is not None and failed > completions:
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > _MANY:
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MANY}"))
    if completions is None or completions <= _MANY or spec.get("backoffLimitPerIndex") is None:
        return
    limit = (
        f"must be less than or equal to 10000 when completions are above {_MANY} and used with backoff limit per index"
    )
    if failed is None:
        detail = f"must be specified when completions is above {_MANY}"
        errors.append(required(f"{path}.maxFailedIndexes", detail))
    for name in ("parallelism", "maxFailedIndexes"):
        if (spec.get(name) or 0) > 10_000:
            errors.append(invalid(f"{path}.{name}", spec[name], limit))


def _validate_policies(spec: Fields, path: str, errors: Errors) -> None:
    failure, success, replacement = (spec.get(f"{name}Policy") for name in ("podFailure", "success", "podReplacement"))
    if failure is not None:
        rules = failure.get("rules") or []
        if len(rules) > 20:
            errors.append(too_many(f"{path}.podFailurePolicy.rules", len(rules), 20))
        for index, rule in enumerate(rules):
            _validate_failure_rule(spec, rule, f"{path}.podFailurePolicy.rules[{index}]", errors)
    if success is not None:
        if spec.get("completionMode") != "Indexed":
            errors.append(invalid(f"{path}.successPolicy", success, _NEEDS_INDEXES))
        else:
            _validate_success(spec, success.get("rules") or [], f"{path}.successPolicy.rules", errors)
    if replacement is not None:
        choices = ("Failed",) if failure is not None else ("Failed", "TerminatingOrFailed")
        one_of(replacement, choices, f"{path}.podReplacementPolicy", errors)


def _validate_failure_rule(spec: Fields, rule: Fields, path: str, errors: Errors) -> None:
    action, codes, conditions = rule.get("action"), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if not action:
        listing = " ".join(f'"{name}"' for name in _ACTIONS)
        errors.append(required(f"{path}.action", f"valid values: [{listing}]"))
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        errors.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    else:
        one_of(action, _ACTIONS, f"{path}.action", errors)
    if codes is not None:
        _validate_exit_codes(spec, codes, f"{path}.onExitCodes", errors)
    if len(conditions) > 20:
        errors.append(too_many(f"{path}.onPodConditions", len(conditions), 20))
    for index, pattern in enumerate(conditions):
        place = f"{path}.onPodConditions[{index}]"
        check(names.qualified_name, pattern.get("type") or "", f"{place}.type", errors)
        one_of(pattern.get("status"), ("False", "True", "Unknown"), f"{place}.status", errors)
    if codes is not None and conditions:
        errors.append(bare_invalid(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(bare_invalid(path, "specifying one of OnExitCodes and OnPodConditions is required"))


def _validate_exit_codes(spec: Fields, codes: Fields, path: str, errors: Errors) -> None:
    operator, values, container = codes.get("operator"), codes.get("values") or [], codes.get("containerName")
    if not operator:
        errors.append(required(f"{path}.operator", 'valid values: ["In" "NotIn"]'))
    else:
        one_of(operator, ("In", "NotIn"), f"{path}.operator", errors)
    pod = (spec.get("template") or {}).get("spec") or {}
    known = {c.get("name") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    if container is not None and container not in known:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", container, detail))
    if not values:
        errors.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > 255:
        errors.append(too_many(f"{path}.values", len(values), 255))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            errors.append(duplicate(f"{path}.values[{index}]", value))
    if values != sorted(values):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))


def _validate_success(spec: Fields, rules: list[Fields], path: str, errors: Errors) -> None:
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(path, detail))
    if len(rules) > 20:
        errors.append(too_many(path, len(rules), 20))
    for index, rule in enumerate(rules):
        _validate_success_rule(rule, spec.get("completions") or 0, f"{path}[{index}]", errors)


def _validate_success_rule(rule: Fields, completions: int, path: str, errors: Errors) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        errors.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    total = 0
    if indexes is not None:
        if len(indexes) > _LONGEST_INDEXES:
            errors.append(too_long(f"{path}.succeededIndexes", _LONGEST_INDEXES))
        try:
            total = count_indexes(indexes, completions)
        except IndexesError as error:
            errors.append(invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {error}"))
    if count is None:
        return
    nonnegative(rule, "succeededCount", path, errors)
    if count > completions:
        detail = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.append(invalid(f"{path}.succeededCount", count, detail))
    if indexes is not None and count > total:
        detail = (
            f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        )
        errors.append(invalid(f"{path}.succeededCount", count, detail))


def _validate_restart_policy(spec: Fields, path: str, errors: Errors) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy in (None, "", "Always"):
        errors.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(not_supported(path, policy, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(path, policy, detail))
