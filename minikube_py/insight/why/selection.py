"""Why a Service's selector finds no pods: the nearest miss, named."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Finding
from minikube_py.insight.why.picture import Picture, full_name, is_going, matches, selected, shown, template_labels
from minikube_py.insight.why.pods import refusal_of, refused

#: Labels that controllers add; they tell nothing about what a person meant.
_GENERATED = ("pod-template-hash", "controller-revision-hash", "pod-template-generation")
#: Likeness of a pair of which key or value is right and the other is nothing like it; and where slips begin.
_SAME_HALF = 0.3
_A_TYPO = 0.65


def nothing_selected(picture: Picture, service: Object) -> Iterator[Finding]:
    """One finding for a selector that matches no pod that lives; none where it matches."""
    selector: dict[str, str] = service["spec"]["selector"]
    namespace = namespace_of(service)
    matching = [pod for pod in selected(picture.pods, selector) if namespace_of(pod) == namespace]
    if any(not is_going(pod) for pod in matching):
        return
    for look in (_no_pods_made, _wrong_level, _other_namespace, _nearest_miss):
        found = look(picture, service, selector)
        if found:
            yield found
            return
    if matching:
        ends = f"all {len(matching)} pods that match have ended or are being deleted"
        yield Finding("PodsFinished", f"{ends}: a Service needs pods that go on running", "start pods, as a Deployment")
    else:
        cause = f"no pod in namespace {namespace} matches the selector {shown(selector)}, nor comes near it"
        yield Finding("NoPods", cause, f"start pods with the labels {shown(selector)}")


def _workloads(picture: Picture, namespace: str) -> list[Object]:
    return [each for each in picture.workloads if namespace_of(each) == namespace]


def _no_pods_made(picture: Picture, service: Object, selector: Mapping[str, str]) -> Finding | None:
    for workload in _workloads(picture, namespace_of(service)):
        if not matches(selector, template_labels(workload)) or workload["metadata"].get("ownerReferences"):
            continue
        what = f"{workload['kind']} {name_of(workload)}"
        words = refusal_of(picture, workload)
        if words:
            return refused(f"the pods of {what} are refused", words)
        if workload["spec"].get("replicas") == 0:
            fix = (
                f"kubectl scale -n {namespace_of(service)} {workload['kind'].lower()}/{name_of(workload)} --replicas=1"
            )
            return Finding("ScaledToZero", f"{what}, whose pods the Service selects, is scaled to zero", fix)
    return None


def _wrong_level(picture: Picture, service: Object, selector: Mapping[str, str]) -> Finding | None:
    for workload in _workloads(picture, namespace_of(service)):
        made = template_labels(workload)
        if matches(selector, labels_of(workload)) and not matches(selector, made):
            what = f"{workload['kind']} {name_of(workload)}"
            cause = f"{what} itself has the labels {shown(selector)}, but its pods do not (they have {_said(made)})"
            fix = "put the labels into spec.template.metadata.labels; or select by the labels that the pods have"
            return Finding("LabelOnWrongLevel", cause, fix)
    return None


def _other_namespace(picture: Picture, service: Object, selector: Mapping[str, str]) -> Finding | None:
    there = sorted({namespace_of(pod) for pod in selected(picture.pods, selector) if not is_going(pod)})
    there = [each for each in there if each != namespace_of(service)]
    if not there or _candidates(picture, service, selector, at_least=_A_TYPO):
        return None
    cause = (
        f"no pod in namespace {namespace_of(service)} matches {shown(selector)}; pods in {', '.join(there)} do, "
        "and a Service selects only in its own namespace"
    )
    return Finding(
        "OtherNamespace", cause, f"create the Service in namespace {there[0]}, or the pods beside the Service"
    )


def _nearest_miss(picture: Picture, service: Object, selector: Mapping[str, str]) -> Finding | None:
    near = _candidates(picture, service, selector, at_least=_SAME_HALF)
    if not near:
        return None
    pod = near[0]
    differing = [_difference(key, wanted, labels_of(pod)) for key, wanted in sorted(selector.items())]
    said = "; ".join(each for each in differing if each)
    cause = f"the selector {shown(selector)} matches no pod; nearest is pod {full_name(pod)}: {said}"
    labels = {key: value for key, value in labels_of(pod).items() if key not in _GENERATED}
    return Finding("SelectorMismatch", cause, f"select by what the pods have ({_said(labels)}), or relabel the pods")


def _candidates(picture: Picture, service: Object, selector: Mapping[str, str], *, at_least: float) -> Sequence[Object]:
    """Living pods beside the Service whose labels are at least so like the selector, the likest first."""
    pods = [pod for pod in picture.pods if namespace_of(pod) == namespace_of(service) and not is_going(pod)]
    liked = [(_likeness(selector, labels_of(pod)), name_of(pod), pod) for pod in pods]
    return [pod for likeness, _, pod in sorted(liked, key=lambda each: (-each[0], each[1])) if likeness >= at_least]


def _likeness(selector: Mapping[str, str], labels: Mapping[str, str]) -> float:
    """How nearly the labels meet the selector: 1 is a match."""
    scores = [_pair_likeness(key, value, labels) for key, value in selector.items()]
    return sum(scores) / len(scores) if scores else 0.0


def _pair_likeness(key: str, value: str, labels: Mapping[str, str]) -> float:
    """The right key with a like value, or the right value under a like key; unlike in both counts nothing."""
    if labels.get(key) == value:
        return 1.0
    values = [_alike(value, labels[key])] if key in labels else []
    keys = [_alike(key, each) for each in labels if labels[each] == value and each not in _GENERATED]
    return max((_SAME_HALF + (0.9 - _SAME_HALF) * each for each in (*values, *keys)), default=0.0)


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _difference(key: str, wanted: str, labels: Mapping[str, str]) -> str:
    if labels.get(key) == wanted:
        return ""
    if key in labels:
        return f"label {key} is {labels[key]!r}, not {wanted!r}"
    near = next((each for each in labels if each.lower() == key.lower() or labels[each] == wanted), "")
    return f"it has no label {key}" + (f", but {near}={labels[near]}" if near else "")


def _said(labels: Mapping[str, str]) -> str:
    return shown(labels) or "no labels"
