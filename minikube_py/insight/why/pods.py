"""Why a pod does not run, or runs and is not ready. The words of scheduler, kubelet and probes are passed on."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.api.meta import condition_is_true, find_condition, is_deleting, labels_of, name_of, namespace_of
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import claims_of
from minikube_py.insight.why.claims import why_claim
from minikube_py.insight.why.containers import container_findings, failing_probe, logs_of, statuses_of, waiting_init
from minikube_py.insight.why.finding import Diagnosis, Finding, first_causes
from minikube_py.insight.why.nodes import not_ready
from minikube_py.insight.why.picture import Picture, find, is_finished, nearest_name

_SET_UP_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedToRetrieveImagePullSecret")


def why_pod(picture: Picture, namespace: str, name: str) -> Diagnosis:
    """Exists, scheduled, its node at work, set up, its containers run, ready: in this order."""
    subject = f"pod {namespace}/{name}"
    pod = find(picture.pods, namespace, name)
    if pod is None:
        return Diagnosis(subject, (_missing(picture, namespace, name),))
    return Diagnosis(subject, tuple(pod_findings(picture, pod)))


def pod_findings(picture: Picture, pod: Object) -> Iterator[Finding]:
    """The causes, most basic first; nothing for a pod that is ready or has succeeded."""
    steps = (
        lambda: _deleting(pod),
        lambda: _ended(pod),
        lambda: _claims(picture, pod),
        lambda: _unscheduled(picture, pod),
        lambda: _node(picture, pod),
        lambda: container_findings(picture, pod),
        lambda: _set_up(picture, pod),
        lambda: waiting_init(pod) if not is_ready(pod) else (),
        lambda: _unready(picture, pod),
        lambda: _names(pod),
        lambda: unenforced_policies(picture, pod),
    )
    return first_causes(steps)


def is_ready(pod: Object) -> bool:
    """The pod's Ready condition."""
    return condition_is_true((pod.get("status") or {}).get("conditions"), "Ready")


def refusal_of(picture: Picture, workload: Object) -> str:
    """Why the workload's pods are not admitted, in the API server's words, or ""."""
    condition = find_condition((workload.get("status") or {}).get("conditions"), "ReplicaFailure") or {}
    if condition.get("status") == "True":
        return str(condition.get("message") or condition.get("reason"))
    status = workload.get("status") or {}
    if not (status.get("replicas") or status.get("currentNumberScheduled") or status.get("active")):
        return picture.last_event(workload, "FailedCreate", kind=str(workload.get("kind")))
    return ""


def refused(what: str, words: str) -> Finding:
    """The finding for pods that the API server does not admit."""
    if "exceeded quota" in words:
        return Finding("QuotaExceeded", f"{what}: {words}", "raise the ResourceQuota, or ask for less")
    return Finding("PodsRefused", f"{what}: {words}", "change the pod template so that it is admitted")


def _missing(picture: Picture, namespace: str, name: str) -> Finding:
    for workload in picture.workloads:
        if namespace_of(workload) == namespace and (name + "-").startswith(name_of(workload) + "-"):
            words = refusal_of(picture, workload)
            if words:
                return refused(
                    f"there is no pod {namespace}/{name}; the pods of {name_of(workload)} are refused", words
                )
    cause = f"there is no pod {name} in namespace {namespace}"
    elsewhere = [namespace_of(pod) for pod in picture.pods if name_of(pod) == name]
    if elsewhere:
        return Finding("OtherNamespace", f"{cause}; there is one in {', '.join(elsewhere)}", f"use -n {elsewhere[0]}")
    near = nearest_name(name, (name_of(pod) for pod in picture.pods if namespace_of(pod) == namespace))
    return Finding("PodMissing", cause, f"did you mean {near}?" if near else f"kubectl get pods -n {namespace}")


def _deleting(pod: Object) -> Iterator[Finding]:
    if not is_deleting(pod):
        return
    holders = pod["metadata"].get("finalizers")
    cause, fix = f"pod {name_of(pod)} is being deleted", "wait, or let its owner replace it"
    if holders:
        cause += f"; it waits for finalizers {', '.join(holders)}"
        fix = (
            "let the controller that set them take them away; where it is gone for good: "
            f"kubectl patch pod -n {namespace_of(pod)} {name_of(pod)} --type=merge "
            """-p '{"metadata":{"finalizers":null}}'"""
        )
    yield Finding("PodTerminating", cause, fix)


def _ended(pod: Object) -> Iterator[Finding]:
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return
    said = f"{status.get('reason') or 'Failed'}: {status.get('message') or _exits(pod)}".rstrip(": ")
    yield Finding("PodFailed", f"pod {name_of(pod)} has ended in failure: {said}", logs_of(pod))


def _exits(pod: Object) -> str:
    ends = [(each["name"], each.get("state", {}).get("terminated")) for each in statuses_of(pod)]
    return ", ".join(f"container {name} exited with {end.get('exitCode')}" for name, end in ends if end)


def _claims(picture: Picture, pod: Object) -> Iterator[Finding]:
    """A claim that waits for its first pod does not hold this one up: the scheduler binds both."""
    if (pod.get("spec") or {}).get("nodeName") or is_finished(pod):
        return
    for name in claims_of(pod):
        for found in why_claim(picture, namespace_of(pod), name).causes:
            yield Finding(found.code, f"pod {name_of(pod)} waits for claim {name}: {found.cause}", found.fix)


def _unscheduled(picture: Picture, pod: Object) -> Iterator[Finding]:
    spec = pod.get("spec") or {}
    if spec.get("nodeName") or is_finished(pod):
        return
    name = name_of(pod)
    if spec.get("schedulingGates"):
        gates = ", ".join(gate["name"] for gate in spec["schedulingGates"])
        yield Finding("SchedulingGated", f"pod {name} is held back by scheduling gates: {gates}", "remove the gates")
        return
    condition = find_condition((pod.get("status") or {}).get("conditions"), "PodScheduled") or {}
    words = condition.get("message") or picture.last_event(pod, "FailedScheduling", kind="Pod")
    if words:
        fix = "ask for less, loosen its constraints (selectors, affinity, tolerations), or add a node"
        yield Finding("Unschedulable", f"no node fits pod {name}: {words}", fix)
    else:
        scheduler = spec.get("schedulerName") or "default-scheduler"
        yield Finding("NotScheduled", f"pod {name} has no node yet, and {scheduler} says nothing", "minik status")


def _node(picture: Picture, pod: Object) -> Iterator[Finding]:
    on = (pod.get("spec") or {}).get("nodeName")
    if not on or is_finished(pod):
        return
    node = find(picture.nodes, "", on)
    if node is None:
        yield Finding("NodeMissing", f"pod {name_of(pod)} is on node {on}, which is gone", "delete the pod")
    else:
        yield from not_ready(node)


def _set_up(picture: Picture, pod: Object) -> Iterator[Finding]:
    if is_ready(pod) or is_finished(pod):
        return
    started = any("running" in (each.get("state") or {}) for each in statuses_of(pod))
    words = "" if started else picture.last_event(pod, *_SET_UP_EVENTS, kind="Pod")
    if words:
        cause = f"pod {name_of(pod)} cannot be set up: {words}"
        yield Finding("SetUpFailed", cause, "create or correct the volume, ConfigMap, Secret or claim that it names")


def _unready(picture: Picture, pod: Object) -> Iterator[Finding]:
    if is_ready(pod) or is_finished(pod) or not (pod.get("spec") or {}).get("nodeName"):
        return
    name = name_of(pod)
    probe = failing_probe(pod)
    if probe:
        words = picture.last_event(pod, "Unhealthy", kind="Pod") or "it has not succeeded yet"
        fix = "make the probe ask where the program answers, or mend what it reports"
        yield Finding("ProbeFailing", f"pod {name} runs but is not ready: {words}", fix)
        return
    gates = [each["conditionType"] for each in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if not condition_is_true((pod.get("status") or {}).get("conditions"), gate)]
    if closed:
        cause = f"pod {name} waits for its readiness gates: {', '.join(closed)}"
        yield Finding("ReadinessGate", cause, "let the controller that owns the gate set the condition")
    else:
        yield Finding("NotReady", f"pod {name} is not ready yet", f"kubectl describe pod -n {namespace_of(pod)} {name}")


def _names(pod: Object) -> Iterator[Finding]:
    spec = pod.get("spec") or {}
    policy = spec.get("dnsPolicy")
    if policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        why = "dnsPolicy is Default" if policy == "Default" else "with hostNetwork, ClusterFirst means Default"
        fix = f"set dnsPolicy: ClusterFirst{'WithHostNet' if spec.get('hostNetwork') else ''}"
        yield Finding("NodeResolver", f"pod {name_of(pod)} cannot look up Services by name: {why}", fix, note=True)


def unenforced_policies(picture: Picture, pod: Object) -> Iterator[Finding]:
    """Nobody here enforces them, and a policy that does nothing looks like one that is wrong."""
    selecting = [
        name_of(policy)
        for policy in picture.policies
        if namespace_of(policy) == namespace_of(pod)
        and label_selector_of((policy.get("spec") or {}).get("podSelector")).matches(labels_of(pod))
    ]
    if selecting:
        cause = f"NetworkPolicy {', '.join(selecting)} selects pod {name_of(pod)}, and nothing here enforces it"
        yield Finding("PolicyNotEnforced", cause, "try policies on a cluster whose network plugin has them", note=True)
