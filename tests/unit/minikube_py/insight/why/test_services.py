"""Planted faults: for each, the cause that must be named; a healthy cluster is told nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minikube_py.insight.why.services import why_service
from tests.support.planted import LABEL, Planted, condition

Plant = Callable[[Planted], object]


def _wrong_level(fault: Planted) -> None:
    fault.relabel(run="shop")
    fault.deployment["metadata"]["labels"] = {"app": "web"}


def _quota(fault: Planted) -> None:
    fault.pods.clear()
    words = 'pods "web-x" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=1, limited: pods=1'
    fault.deployment["status"] = {"conditions": [condition("ReplicaFailure", message=words)]}


def _scaled_to_zero(fault: Planted) -> None:
    fault.pods.clear()
    fault.deployment["spec"]["replicas"] = 0


def _probe(fault: Planted) -> None:
    for pod in fault.pods:
        pod["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8081}}
        fault.event("Pod", pod["metadata"]["name"], "Unhealthy", "Readiness probe failed: connection refused")
    fault.unready()


def _image(fault: Planted) -> None:
    fault.unready(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: ErrImagePull: not found"}})


def _crash(fault: Planted) -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    fault.unready(state=state, restartCount=4, lastState={"terminated": {"exitCode": 3, "reason": "Error"}})


def _memory(fault: Planted) -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    fault.unready(state=state, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})


def _by_hand(fault: Planted) -> None:
    del fault.spec["selector"]
    fault.pods.clear()
    fault.workloads.clear()


def _unlabelled_slice(fault: Planted) -> None:
    _by_hand(fault)
    del fault.slice["metadata"]["labels"][LABEL]


def _slice_port(fault: Planted) -> None:
    _by_hand(fault)
    fault.slice["ports"][0]["name"] = "https"


def _no_slice(fault: Planted) -> None:
    _by_hand(fault)
    fault.slices.clear()


def _local(policy: str, kind: str = "ClusterIP") -> Plant:
    def plant(fault: Planted) -> None:
        fault.spec.update({policy: "Local", "type": kind})
        del fault.slice["endpoints"][1]
        del fault.pods[1]

    return plant


def _external(name: str) -> Plant:
    return lambda fault: fault.service.update(spec={"type": "ExternalName", "externalName": name})


def _pending(fault: Planted) -> None:
    fault.spec["type"] = "LoadBalancer"
    fault.event("Service", "web", "SyncLoadBalancerFailed", "no address is left in 192.168.231.0/24")


def _nobodys_class(fault: Planted) -> None:
    fault.spec.update({"type": "LoadBalancer", "loadBalancerClass": "example.com/none"})


def _node_off(fault: Planted) -> None:
    for node in fault.nodes:
        node["status"]["conditions"] = [condition("Ready", "Unknown")]
    fault.unready()


FAULTS: list[tuple[str, Plant, str]] = [
    ("ServiceMissing", lambda fault: fault.service["metadata"].update(name="webb"), "did you mean webb"),
    ("OtherNamespace", lambda fault: fault.service["metadata"].update(namespace="shop"), "web.shop"),
    ("ExternalNameIsAddress", _external("192.0.2.7"), "192.0.2.7"),
    ("ExternalNameMissing", _external("db.shop.svc.cluster.local"), "Service db in namespace shop"),
    ("SelectorMismatch", lambda fault: fault.spec.update(selector={"app": "wbe"}), "label app is 'web', not 'wbe'"),
    ("SelectorMismatch", lambda fault: fault.relabel(App="web"), "no label app, but App=web"),
    ("LabelOnWrongLevel", _wrong_level, "spec.template.metadata.labels"),
    ("OtherNamespace", lambda fault: fault.move_pods("shop"), "pods in shop"),
    ("NoPods", lambda fault: (fault.pods.clear(), fault.workloads.clear()), "app=web"),
    ("ScaledToZero", _scaled_to_zero, "--replicas=1"),
    ("QuotaExceeded", _quota, "exceeded quota: tight"),
    ("PodsFinished", lambda fault: [pod["status"].update(phase="Succeeded") for pod in fault.pods], "all 2 pods"),
    ("NoSuchTargetPort", lambda fault: fault.spec["ports"][0].update(targetPort="htp"), "set targetPort: http"),
    ("ProtocolMismatch", lambda fault: fault.spec["ports"][0].update(protocol="UDP"), "is UDP"),
    (
        "ProtocolMismatch",
        lambda fault: fault.spec["ports"][0].update(targetPort=8080, protocol="UDP"),
        "declare port 8080 as TCP",
    ),
    ("ImageMissing", _image, '"shop:1"'),
    ("CrashLooping", _crash, "exit code 3"),
    ("OutOfMemory", _memory, "memory limit"),
    ("Unschedulable", lambda fault: fault.unscheduled("0/2 nodes are available: 2 Insufficient cpu."), "Insufficient"),
    ("ProbeFailing", _probe, "connection refused"),
    ("NodeSilent", _node_off, "minik node start"),
    ("SlicesBehind", lambda fault: fault.slice.update(endpoints=[]), "web-0, web-1"),
    ("NoSelector", _no_slice, "nobody made"),
    ("SliceWithoutServiceName", _unlabelled_slice, f"{LABEL}=web"),
    ("SlicePortName", _slice_port, '"https"'),
    ("NoReadyEndpoints", lambda fault: (_by_hand(fault), fault.slice.update(endpoints=[])), "no ready endpoint"),
    ("LocalWithoutEndpoint", _local("internalTrafficPolicy"), "no endpoint is on n2"),
    ("LocalWithoutEndpoint", _local("externalTrafficPolicy", "NodePort"), "drop clients from outside"),
    ("LoadBalancerPending", _pending, "no address is left"),
    ("LoadBalancerClass", _nobodys_class, "example.com/none"),
    ("ProxyDisagrees", lambda fault: fault.tables["n2"].update(routes=[]), "node n2 has no route for port 80"),
    ("ProxyDisagrees", lambda fault: fault.tables["n1"]["routes"][0]["endpoints"].pop(), "10.244.1.2:8080"),
    ("ProxyProblem", lambda fault: fault.tables["n1"]["routes"][0].update(problem="address in use"), "address in use"),
    ("ProxyNotSynced", lambda fault: fault.tables["n1"].update(synced=False), "node n1"),
    (
        "ProxyUnreachable",
        lambda fault: fault.silent.update(n2="connection refused"),
        "endpoints of the Service are there",
    ),
    ("AddressTaken", lambda fault: fault.tables["n1"].update(shadowed=fault.tables["n2"]["routes"]), "another Service"),
]


@pytest.mark.parametrize(("code", "plant", "words"), FAULTS)
def test_a_planted_fault_is_named(code: str, plant: Plant, words: str) -> None:
    fault = Planted()
    plant(fault)
    diagnosis = why_service(fault.picture(), "default", "web")
    assert not diagnosis.healthy
    first = diagnosis.causes[0]
    assert first.code == code
    assert words in f"{first.cause} {first.fix}"


def test_a_healthy_service_is_told_nothing() -> None:
    assert why_service(Planted().picture(), "default", "web").findings == ()


@pytest.mark.parametrize(
    ("code", "plant"),
    [
        ("UndeclaredTargetPort", lambda fault: fault.spec["ports"][0].update(targetPort=9000)),
        ("AffinityPinned", lambda fault: fault.spec.update(sessionAffinity="ClientIP")),
        ("ProxyUnreachable", lambda fault: fault.silent.update(n3="connection refused")),
    ],
)
def test_what_is_no_fault_is_a_note(code: str, plant: Plant) -> None:
    fault = Planted()
    plant(fault)
    diagnosis = why_service(fault.picture(), "default", "web")
    assert diagnosis.healthy
    assert [note.code for note in diagnosis.notes] == [code]


def test_some_pods_unready_is_a_note() -> None:
    fault = Planted()
    spared = fault.pods.pop()
    _crash(fault)
    fault.pods.append(spared)
    diagnosis = why_service(fault.picture(), "default", "web")
    assert diagnosis.healthy
    assert "1 of 2 pods not ready" in diagnosis.notes[0].cause


def test_a_balanced_service_may_leave_nodes_out() -> None:
    fault = Planted()
    _local("externalTrafficPolicy", "LoadBalancer")(fault)
    fault.service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.168.231.1"}]}}
    assert why_service(fault.picture(), "default", "web").healthy


def test_both_protocols_on_one_port_are_meant() -> None:
    fault = Planted()
    fault.declare(containerPort=53, protocol="UDP")
    fault.spec["ports"] = [
        {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "targetPort": 53, "protocol": "TCP"},
    ]
    assert not any(found.code == "ProtocolMismatch" for found in why_service(fault.picture(), "default", "web").causes)
