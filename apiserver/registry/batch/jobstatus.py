"""Status updates of Jobs: the promises that a job controller keeps (KEP-4368)."""

from __future__ import annotations

from apiserver.registry.batch.indexes import IndexesError, intervals, overlap
from apiserver.registry.batch.jobspec import bare_invalid
from apiserver.registry.checks import Errors, Fields, nonnegative, same
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import condition_is_true, parse_time
from minikube_py.api.types import Object

_TERMINAL = ("Failed", "Complete", "FailureTarget")


def validate_job_status(new: Object, old: Object, errors: Errors) -> None:
    """``ValidateJobUpdateStatus``: each rule applies where the update touches what it is about."""
    status, before, spec = new.get("status") or {}, old.get("status") or {}, new.get("spec") or {}
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        nonnegative(status, name, "status", errors)
    _validate_conditions(status, before, spec, errors)
    _validate_finished(status, before, spec, errors)
    _validate_times(status, before, spec, errors)
    _validate_indexes(status, before, spec, errors)
    _validate_counters(status, before, spec, errors)


def _is(status: Fields, kind: str) -> bool:
    return condition_is_true(status.get("conditions"), kind)


def _changed(status: Fields, before: Fields, *kinds: str) -> bool:
    return any(_is(status, kind) != _is(before, kind) for kind in kinds)


def _validate_conditions(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    path, complete, met = "status.conditions", _is(status, "Complete"), _is(status, "SuccessCriteriaMet")
    failed, target = _is(status, "Failed"), _is(status, "FailureTarget")
    if complete and failed and _changed(status, before, "Complete", "Failed"):
        errors.append(bare_invalid(path, "cannot set Complete=True and Failed=true conditions"))
    if complete and target and _changed(status, before, "Complete", "FailureTarget"):
        errors.append(bare_invalid(path, "cannot set Complete=True and FailureTarget=true conditions"))
    if failed and not target and _changed(status, before, "Failed"):
        errors.append(bare_invalid(path, "cannot set Failed=True condition without the FailureTarget=true condition"))
    if complete and not met and _changed(status, before, "Complete", "SuccessCriteriaMet"):
        detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.append(bare_invalid(path, detail))
    if met and failed:
        errors.append(bare_invalid(path, "cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if met and target:
        errors.append(bare_invalid(path, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"))
    if spec.get("successPolicy") is not None and complete and not met:
        detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.append(bare_invalid(path, detail))
    for kind in _TERMINAL:
        if _is(before, kind) and not _is(status, kind):
            errors.append(bare_invalid(path, f"cannot disable the terminal {kind}=True condition"))
    if _is(before, "SuccessCriteriaMet") and not met:
        errors.append(bare_invalid(path, "cannot disable the SuccessCriteriaMet=True condition"))


def _validate_finished(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    if not (_is(status, "Complete") or _is(status, "Failed")):
        return
    changed = (_is(status, "Complete") or _is(status, "Failed")) != (_is(before, "Complete") or _is(before, "Failed"))
    active, terminating = status.get("active") or 0, status.get("terminating") or 0
    if active > 0 and (changed or active != (before.get("active") or 0)):
        errors.append(invalid("status.active", active, "active>0 is invalid for finished job"))
    if terminating > 0 and (changed or terminating != before.get("terminating")):
        errors.append(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"))
    idle = spec.get("suspend") and spec.get("completions") == 0
    if status.get("startTime") is None and changed and not idle:
        errors.append(required("status.startTime", "startTime is required for finished job"))
    uncounted = status.get("uncountedTerminatedPods") or {}
    if (uncounted.get("failed") or uncounted.get("succeeded")) and changed:
        errors.append(invalid("status.uncountedTerminatedPods", uncounted, "must be empty for finished job"))


def _validate_times(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    path, ended, started = "status.completionTime", status.get("completionTime"), status.get("startTime")
    touched = ended != before.get("completionTime") or _changed(status, before, "Complete")
    if ended is not None and touched and not _is(status, "Complete"):
        detail = "cannot set completionTime when there is no Complete=True condition"
        errors.append(invalid(path, ended, detail))
    if ended is None and touched and _is(status, "Complete"):
        errors.append(required(path, "completionTime is required for Complete jobs"))
    if ended and started and parse_time(ended) < parse_time(started):
        errors.append(invalid(path, ended, "must be equal to or after `startTime`"))
    if ended and before.get("completionTime") and ended != before["completionTime"]:
        errors.append(invalid(path, ended, "field is immutable"))
    resuming = _is(before, "Suspended") and not _is(status, "Suspended")
    if before.get("startTime") and started != before["startTime"] and not spec.get("suspend") and not resuming:
        errors.append(invalid("status.startTime", started, "field is immutable for unsuspended job once set"))


def _validate_indexes(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    completed, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    if same(completed, before.get("completedIndexes") or "") and failed == before.get("failedIndexes"):
        return
    completions = spec.get("completions")
    for name, text in (("completedIndexes", completed), ("failedIndexes", failed)):
        if completions is None or not text:
            continue
        try:
            intervals(text, completions)
        except IndexesError as error:
            errors.append(invalid(f"status.{name}", text, f"error parsing {name}: {error}"))
    if completed and spec.get("completionMode") != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid("status.completedIndexes", completed, detail))
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid("status.failedIndexes", failed, detail))
    common = overlap(completed, failed or "", completions or 0)
    if common is not None:
        detail = f"failedIndexes and completedIndexes overlap at index: {common}"
        errors.append(invalid("status.failedIndexes", failed, detail))


def _validate_counters(status: Fields, before: Fields, spec: Fields, errors: Errors) -> None:
    failed, succeeded = status.get("failed") or 0, status.get("succeeded") or 0
    if failed < (before.get("failed") or 0):
        errors.append(invalid("status.failed", failed, "cannot decrease the failed counter"))
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if succeeded < (before.get("succeeded") or 0) and not elastic:
        errors.append(invalid("status.succeeded", succeeded, "cannot decrease the succeeded counter"))
    ready = status.get("ready")
    if ready is not None and ready > (status.get("active") or 0):
        errors.append(invalid("status.ready", ready, "cannot set more ready pods than active"))
