"""Why a Deployment, StatefulSet, DaemonSet or Job is not what it should be: what keeps its pods away, or down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from minikube_py.api.meta import find_condition, is_deleting, name_of, namespace_of, owners_of, uid_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Diagnosis, Finding, first_causes
from minikube_py.insight.why.picture import Picture, is_going, nearest_name
from minikube_py.insight.why.pods import is_ready, pod_findings, refusal_of, refused


def why_workload(picture: Picture, kind: str, namespace: str, name: str) -> Diagnosis:
    """Exists, is to run at all, its pods are admitted, and they run: in this order."""
    subject = f"{kind.lower()} {namespace}/{name}"
    ours = [each for each in picture.workloads if each.get("kind") == kind and namespace_of(each) == namespace]
    workload = next((each for each in ours if name_of(each) == name), None)
    if workload is None:
        near = nearest_name(name, map(name_of, ours))
        fix = f"did you mean {near}?" if near else f"kubectl get {kind.lower()}s -n {namespace}"
        missing = Finding("WorkloadMissing", f"there is no {kind} {name} in namespace {namespace}", fix)
        return Diagnosis(subject, (missing,))
    steps = (
        lambda: _stopped(workload),
        lambda: _failed(picture, workload),
        lambda: _refused(picture, workload),
        lambda: _pods(picture, workload),
        lambda: _stuck(workload),
    )
    return Diagnosis(subject, tuple(first_causes(steps)))


def _stopped(workload: Object) -> Iterator[Finding]:
    spec, name = workload.get("spec") or {}, name_of(workload)
    what = f"{workload['kind']} {name}"
    at = f"-n {namespace_of(workload)} {workload['kind'].lower()}/{name}"
    if is_deleting(workload):
        yield Finding("WorkloadTerminating", f"{what} is being deleted", "wait")
    elif spec.get("replicas") == 0:
        yield Finding("ScaledToZero", f"{what} is scaled to zero", f"kubectl scale {at} --replicas=1", note=True)
    elif spec.get("suspend"):
        yield Finding("Suspended", f"{what} is suspended", f'kubectl patch {at} -p \'{{"spec":{{"suspend":false}}}}\'')
    elif spec.get("paused"):
        yield Finding("Paused", f"{what} is paused: it rolls nothing out", f"kubectl rollout resume {at}", note=True)


def _refused(picture: Picture, workload: Object) -> Iterator[Finding]:
    """The words are on the ReplicaSet where a Deployment makes the pods."""
    for each in (workload, *_owned(picture.workloads, workload)):
        words = refusal_of(picture, each)
        if words:
            yield refused(f"pods of {workload['kind']} {name_of(workload)} are refused", words)
            return


def _pods(picture: Picture, workload: Object) -> Iterator[Finding]:
    """The first pod that is held up speaks for all."""
    makers = [workload, *_owned(picture.workloads, workload)]
    pods = [pod for maker in makers for pod in _owned(picture.pods, maker) if not is_going(pod)]
    unready = [pod for pod in pods if not is_ready(pod)]
    for pod in sorted(unready, key=name_of):
        for found in pod_findings(picture, pod):
            share = f"{len(unready)} of {len(pods)} pods not ready: "
            yield Finding(found.code, share + found.cause, found.fix, note=found.note)
        return


def _failed(picture: Picture, workload: Object) -> Iterator[Finding]:
    """A Job that has given up, with what its last pod said."""
    told = _condition(workload, "Failed")
    if told.get("status") != "True":
        return
    cause = f"{workload['kind']} {name_of(workload)} has failed: {told.get('reason')}: {told.get('message')}"
    ended = [found.cause for pod in _owned(picture.pods, workload) for found in pod_findings(picture, pod)]
    at = f"-n {namespace_of(workload)} {workload['kind'].lower()}/{name_of(workload)}"
    yield Finding("WorkloadFailed", "; ".join([cause, *ended[-1:]]), f"kubectl logs {at}; kubectl describe {at}")


def _stuck(workload: Object) -> Iterator[Finding]:
    told = _condition(workload, "Progressing")
    if told.get("status") == "False":
        cause = f"{workload['kind']} {name_of(workload)} is stuck: {told.get('reason')}: {told.get('message')}"
        at = f"-n {namespace_of(workload)} {workload['kind'].lower()}/{name_of(workload)}"
        yield Finding("WorkloadStuck", cause, f"kubectl describe {at}")


def _condition(workload: Object, kind: str) -> dict[str, Any]:
    return find_condition((workload.get("status") or {}).get("conditions"), kind) or {}


def _owned(objects: Iterable[Object], owner: Object) -> list[Object]:
    return [each for each in objects if any(ref.get("uid") == uid_of(owner) for ref in owners_of(each))]
