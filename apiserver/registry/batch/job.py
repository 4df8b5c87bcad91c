"""Jobs: their selector is generated from their uid; little changes after creation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.batch.jobspec import validate_job_spec
from apiserver.registry.batch.jobstatus import validate_job_status
from apiserver.registry.checks import Errors, Fields, immutable, same, without
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.core.podspec.warnings import template_warnings
from apiserver.registry.labelselectors import matches, validate_label_selector
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import (
    AGE,
    CONTAINERS,
    IMAGES,
    NAME,
    SELECTOR,
    Column,
    Table,
    age,
    container_cells,
    format_selector,
    human_duration,
)
from apiserver.registry.workload import MISMATCH, pod_name_warnings
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import condition_is_true, name_of, parse_time
from minikube_py.api.names import dns1123_label
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_KEPT = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_STATES = (("Complete", "Complete"), ("Failed", "Failed"))
_LATER_STATES = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def default_job(job: Object) -> None:
    """``SetDefaults_Job``, in place."""
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    default_job_template(spec)
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1
    for name, value in (("completionMode", "NonIndexed"), ("suspend", False), ("manualSelector", False)):
        if spec.get(name) is None:
            spec[name] = value
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
    labels = (spec["template"].get("metadata") or {}).get("labels")
    meta = job.setdefault("metadata", {})
    if labels and not meta.get("labels"):
        meta["labels"] = dict(labels)


def default_job_template(spec: Fields) -> None:
    """What a job's spec gets also inside a CronJob."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    default_template(spec.setdefault("template", {}))


def _prepare_new(job: Object, _ctx: RequestContext) -> None:
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    template_meta = spec["template"]["metadata"] = dict(spec["template"].get("metadata") or {})
    given = {label: meta.get("name") or "" for label in _NAME_LABELS} | dict.fromkeys(_UID_LABELS, meta["uid"])
    template_meta["labels"] = given | (template_meta.get("labels") or {})
    selector = spec["selector"] = dict(spec.get("selector") or {})
    selector["matchLabels"] = {_UID_LABELS[1]: meta["uid"]} | (selector.get("matchLabels") or {})


def _validate(job: Object, errors: Errors) -> None:
    spec = job["spec"]
    validate_job_spec(spec, "spec", errors)
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        validate_label_selector(selector, "spec.selector", errors)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if not matches(selector, labels):
        errors.append(invalid("spec.template.metadata.labels", labels, MISMATCH))
    _validate_host_names(job, errors)


def _validate_host_names(job: Object, errors: Errors) -> None:
    spec, name = job["spec"], name_of(job)
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        longest = f"{name}-{spec['completions'] - 1}"
        if dns1123_label(longest):
            detail = f"will not able to create pod with invalid DNS label: {longest}"
            errors.append(invalid("metadata.name", name, detail))


def _validate_new(job: Object, errors: Errors) -> None:
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    expected = dict.fromkeys(_UID_LABELS, meta["uid"]) | {label: name_of(job) for label in _NAME_LABELS}
    for label, value in expected.items():
        if labels.get(label) != value:
            path = f"spec.template.metadata.labels[{label}]"
            errors.append(invalid(path, labels, f"must be '{value}'"))
    if not matches(spec.get("selector"), expected):
        errors.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    spec, before = new["spec"], old["spec"]
    if spec.get("completionMode") != "Indexed":
        immutable(spec.get("completions"), before.get("completions"), "spec.completions", errors)
    elif spec.get("completions") not in (before.get("completions"), None, spec.get("parallelism")):
        detail = "can only be modified in tandem with spec.parallelism"
        errors.append(invalid("spec.completions", spec.get("completions"), detail))
    immutable(spec.get("selector"), before.get("selector"), "spec.selector", errors)
    _validate_template_change(spec["template"], old, errors)
    for name in _KEPT:
        immutable(spec.get(name), before.get(name), f"spec.{name}", errors)


def _validate_template_change(template: Fields, old: Object, errors: Errors) -> None:
    """The template of a suspended job that runs nothing may change where pods are placed and what they ask for."""
    before, status = old["spec"]["template"], old.get("status") or {}
    quiet = status.get("startTime") is None or condition_is_true(status.get("conditions"), "Suspended")
    if not (old["spec"].get("suspend") and quiet and not status.get("active")):
        immutable(template, before, "spec.template", errors)
    elif not same(_fixed_parts(template), _fixed_parts(before)):
        errors.append(invalid("spec.template.spec", template.get("spec"), "field is immutable"))


def _fixed_parts(template: Fields) -> Fields:
    pod = without(template.get("spec") or {}, "nodeSelector", "tolerations", "schedulingGates", "affinity")
    for kind in ("containers", "initContainers"):
        if kind in pod:
            pod[kind] = [without(container, "resources") for container in pod[kind]]
    affinity = without((template.get("spec") or {}).get("affinity") or {}, "nodeAffinity")
    return pod | ({"affinity": affinity} if affinity else {})


def job_warnings(spec: Fields, path: str) -> list[str]:
    """Warnings about a job's spec."""
    warnings = []
    many = (spec.get("completions") or 0) > 100_000 and (spec.get("parallelism") or 0) > 10_000
    if spec.get("completionMode") == "Indexed" and many:
        advice = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4"
        warnings.append(
            f"{advice}, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    return warnings + template_warnings(spec.get("template"), f"{path}.template")


def _warn(job: Object, old: Object | None) -> list[str]:
    if old is not None:
        changed = job["metadata"].get("generation") != old["metadata"].get("generation")
        return job_warnings(job["spec"], "spec") if changed else []
    return pod_name_warnings(job) + job_warnings(job["spec"], "spec")


def _state(job: Object) -> str:
    conditions = (job.get("status") or {}).get("conditions")
    for condition, shown in _STATES:
        if condition_is_true(conditions, condition):
            return shown
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((kind for kind in _LATER_STATES if condition_is_true(conditions, kind)), "Running")


def _completions(job: Object) -> str:
    spec, done = job.get("spec") or {}, (job.get("status") or {}).get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human_duration((end - parse_time(status["startTime"])).total_seconds())


def _cells(job: Object, now: datetime) -> list[Any]:
    spec = job.get("spec") or {}
    return [
        name_of(job),
        _state(job),
        _completions(job),
        _duration(job, now),
        age(job, now),
        *container_cells(spec.get("template")),
        format_selector(spec.get("selector")),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Status", description="How the job is doing."),
        Column("Completions", description="Pods that succeeded, of those wanted."),
        Column("Duration", description="How long the job ran, or has been running."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """Jobs."""
    return KindStrategy(
        resource=resource,
        defaulter=default_job,
        has_status=True,
        generation_fields=("spec",),
        prepare_new=_prepare_new,
        validate=_validate,
        validate_new=_validate_new,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=validate_job_status)},
        table=_TABLE,
        warner=_warn,
    )
