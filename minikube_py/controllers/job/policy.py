"""What a pod's failure means, and when enough has succeeded (KEP-3329, KEP-3850, KEP-3998). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from minikube_py.api.meta import find_condition, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.controllers.job.indexes import parse_indexes

COUNT, IGNORE, FAIL_JOB, FAIL_INDEX = "Count", "Ignore", "FailJob", "FailIndex"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about one failed pod; ``message`` explains a FailJob."""

    action: str = COUNT
    message: str = ""


def judge_failure(job: Object, pod: Object) -> Verdict:
    """The first rule of podFailurePolicy that matches, else the failure counts."""
    rules = ((job.get("spec") or {}).get("podFailurePolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules):
        found = _match(rule, pod)
        if found is not None:
            action = str(rule.get("action") or COUNT)
            return Verdict(action, f"{found} matching {action} rule at index {number}")
    return Verdict()


def success_rule(job: Object, succeeded: set[int]) -> int | None:
    """The number of the first successPolicy rule that holds."""
    spec = job.get("spec") or {}
    completions = int(spec.get("completions") or 0)
    for number, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        counted = succeeded
        if rule.get("succeededIndexes") is not None:
            listed = parse_indexes(rule["succeededIndexes"], completions)
            counted = succeeded & listed
            if rule.get("succeededCount") is None and counted != listed:
                continue
        if rule.get("succeededCount") is None or len(counted) >= int(rule["succeededCount"]):
            return number
    return None


def _match(rule: Object, pod: Object) -> str | None:
    """What of the pod matches the rule, in words; None where nothing does."""
    if rule.get("onExitCodes"):
        return next(_exit_matches(rule["onExitCodes"], pod), None)
    for pattern in rule.get("onPodConditions") or ():
        condition = find_condition((pod.get("status") or {}).get("conditions"), str(pattern.get("type")))
        if condition is not None and condition.get("status") == pattern.get("status", "True"):
            return f"Pod {namespace_of(pod)}/{name_of(pod)} has condition {pattern.get('type')}"
    return None


def _exit_matches(rule: Object, pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    for entry in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        ended = (entry.get("state") or {}).get("terminated")
        if ended is None or rule.get("containerName") not in (None, entry.get("name")):
            continue
        code = int(ended.get("exitCode") or 0)
        within = code in (rule.get("values") or ())
        if code != 0 and within == (rule.get("operator") == "In"):
            yield (
                f"Container {entry.get('name')} for pod {namespace_of(pod)}/{name_of(pod)} failed with exit code {code}"
            )
