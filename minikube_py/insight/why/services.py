"""Why a Service does not answer, in the order of Kubernetes' own "Debug Services" page.

It exists, it is what its type demands, its selector finds pods, its ports lead to theirs, the pods are ready, the
traffic policy leaves some of them, its load balancer has an address, and every node's proxy knows all of that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence

from minikube_py.api.meta import condition_is_true, labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Diagnosis, Finding, Step, first_causes
from minikube_py.insight.why.picture import Picture, find, is_going, matches, nearest_name
from minikube_py.insight.why.pods import is_ready, pod_findings, unenforced_policies
from minikube_py.insight.why.ports import port_findings
from minikube_py.insight.why.selection import nothing_selected
from minikube_py.insight.why.slices import disagreeing, hand_made, is_usable, slices_of, stale

_CLUSTER_SUFFIX = ".svc.cluster.local"


def why_service(picture: Picture, namespace: str, name: str) -> Diagnosis:
    """What keeps Service ``namespace/name`` from answering."""
    subject = f"service {namespace}/{name}"
    service = find(picture.services, namespace, name)
    if service is None:
        return Diagnosis(subject, (_missing(picture, namespace, name),))
    return Diagnosis(subject, tuple(first_causes(_steps(picture, service))))


def chosen_pods(picture: Picture, service: Object) -> list[Object]:
    """The pods that the selector matches and that are not on their way out."""
    selector = service["spec"].get("selector") or {}
    return [
        pod
        for pod in picture.pods
        if namespace_of(pod) == namespace_of(service) and matches(selector, labels_of(pod)) and not is_going(pod)
    ]


def _steps(picture: Picture, service: Object) -> Iterator[Step]:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        yield lambda: _external_name(picture, service)
        return
    if not spec.get("selector"):
        if (namespace_of(service), name_of(service)) != ("default", "kubernetes"):
            yield lambda: hand_made(picture, service)
    else:
        pods = chosen_pods(picture, service)
        yield lambda: nothing_selected(picture, service)
        yield lambda: port_findings(service, pods)
        yield lambda: _readiness(picture, service, pods)
        yield lambda: stale(picture, service, [pod for pod in pods if is_ready(pod)])
    if spec.get("clusterIP") == "None":
        return
    for step in (_policies, _balancer, disagreeing, _affinity, _unenforced):
        yield _bound(step, picture, service)


def _bound(step: Callable[[Picture, Object], Iterator[Finding]], picture: Picture, service: Object) -> Step:
    return lambda: step(picture, service)


def _missing(picture: Picture, namespace: str, name: str) -> Finding:
    cause = f"there is no Service {name} in namespace {namespace}"
    elsewhere = sorted(namespace_of(each) for each in picture.services if name_of(each) == name)
    if elsewhere:
        fix = f"from other namespaces, call it {name}.{elsewhere[0]}; ask with -n {elsewhere[0]}"
        return Finding("OtherNamespace", f"{cause}; there is one in {', '.join(elsewhere)}", fix)
    near = nearest_name(name, (name_of(each) for each in picture.services if namespace_of(each) == namespace))
    fix = f"did you mean {near}?" if near else f"kubectl expose, or apply a Service named {name}"
    return Finding("ServiceMissing", cause, fix)


def _external_name(picture: Picture, service: Object) -> Iterator[Finding]:
    target = str(service["spec"].get("externalName") or "").rstrip(".")
    if _is_address(target):
        cause = f"externalName is the address {target}; it must be a DNS name, for it becomes a CNAME record"
        fix = "make it a Service without selector, and an EndpointSlice with that address"
        yield Finding("ExternalNameIsAddress", cause, fix)
    elif target.endswith(_CLUSTER_SUFFIX) and target.count(".") == _CLUSTER_SUFFIX.count(".") + 1:
        name, _, namespace = target.removesuffix(_CLUSTER_SUFFIX).partition(".")
        if find(picture.services, namespace, name) is None:
            cause = f"externalName is {target}, and there is no Service {name} in namespace {namespace}"
            yield Finding("ExternalNameMissing", cause, "correct externalName, or create that Service")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _readiness(picture: Picture, service: Object, pods: Sequence[Object]) -> Iterator[Finding]:
    unready = [pod for pod in pods if not is_ready(pod)]
    if not unready or service["spec"].get("publishNotReadyAddresses"):
        return
    none_left = len(unready) == len(pods)
    for pod in unready:
        for found in pod_findings(picture, pod):
            share = f"{len(unready)} of {len(pods)} pods not ready: "
            yield Finding(found.code, share + found.cause, found.fix, note=found.note or not none_left)


def _policies(picture: Picture, service: Object) -> Iterator[Finding]:
    spec = service["spec"]
    ready = {name_of(node) for node in picture.nodes if _is_ready_node(node)}
    local = {
        each.get("nodeName")
        for one in slices_of(picture, service)
        for each in one.get("endpoints") or ()
        if is_usable(each)
    }
    without = sorted(ready - local)
    if not without:
        return
    nodes = ", ".join(without)
    if spec.get("internalTrafficPolicy") == "Local":
        cause = f"internalTrafficPolicy is Local, and no endpoint is on {nodes}: clients there get nothing"
        yield Finding("LocalWithoutEndpoint", cause, "run a pod on every node (DaemonSet), or use Cluster")
    if spec.get("externalTrafficPolicy") == "Local":
        cause = f"externalTrafficPolicy is Local, and no endpoint is on {nodes}: those nodes drop clients from outside"
        balanced = spec.get("type") == "LoadBalancer"
        fix = "the load balancer avoids them" if balanced else "ask the nodes that have one, or use Cluster"
        yield Finding("LocalWithoutEndpoint", cause, fix, note=balanced)


def _is_ready_node(node: Object) -> bool:
    return condition_is_true((node.get("status") or {}).get("conditions"), "Ready")


def _balancer(picture: Picture, service: Object) -> Iterator[Finding]:
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer" or ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return
    if spec.get("loadBalancerClass"):
        cause = f"the load balancer is pending: nobody here serves loadBalancerClass {spec['loadBalancerClass']}"
        yield Finding("LoadBalancerClass", cause, "leave loadBalancerClass out, or run its controller")
        return
    words = picture.last_event(service, "SyncLoadBalancerFailed", kind="Service")
    cause = f"the load balancer is pending: {words or 'the cloud provider has said nothing yet'}"
    yield Finding("LoadBalancerPending", cause, "free an address" if words else "minik status; minik logs controlplane")


def _affinity(picture: Picture, service: Object) -> Iterator[Finding]:
    spec = service["spec"]
    endpoints = [each for one in slices_of(picture, service) for each in one.get("endpoints") or () if is_usable(each)]
    if spec.get("sessionAffinity") != "ClientIP" or len(endpoints) < 2:
        return
    seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds", 10800)
    cause = f"sessionAffinity is ClientIP: a client stays with one of {len(endpoints)} pods for {seconds} s"
    yield Finding("AffinityPinned", cause, "set sessionAffinity: None to spread a client's connections", note=True)


def _unenforced(picture: Picture, service: Object) -> Iterator[Finding]:
    """Of the first pod alone: its siblings are selected by the same policies."""
    pods = chosen_pods(picture, service) if service["spec"].get("selector") else []
    for pod in pods[:1]:
        yield from unenforced_policies(picture, pod)
