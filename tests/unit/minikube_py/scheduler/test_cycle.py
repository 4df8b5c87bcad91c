"""Where pods go, and why they go nowhere."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minikube_py.api.selectors import from_labels
from minikube_py.scheduler.cycle import Placed, Refused, decide
from minikube_py.scheduler.snapshot import Snapshot, Volumes
from minikube_py.scheduler.views import NodeInfo, PodInfo

Labels = dict[str, str]


def node(name: str, *, cpu: str = "4", pods: str = "110", labels: Labels | None = None, **spec: Any) -> NodeInfo:
    info = NodeInfo({})
    own = {"kubernetes.io/hostname": name} | (labels or {})
    status = {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": pods}}
    info.set_object({"metadata": {"name": name, "labels": own}, "spec": spec, "status": status})
    return info


def pod(name: str = "p", *, cpu: str = "", labels: Labels | None = None, **spec: Any) -> PodInfo:
    requests = {"requests": {"cpu": cpu}} if cpu else {}
    ports = spec.pop("ports", [])
    container = {"name": "c", "image": "web", "resources": requests, "ports": ports}
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels or {}}
    return PodInfo.from_object({"metadata": meta, "spec": {"containers": [container]} | spec})


def place(newcomer: PodInfo, nodes: list[NodeInfo], **extra: Any) -> str:
    decision = look(newcomer, nodes, **extra)
    return decision.node if isinstance(decision, Placed) else decision.message


def look(newcomer: PodInfo, nodes: list[NodeInfo], **extra: Any) -> Placed | Refused:
    around = [entry for entry in nodes if entry.with_affinity]
    return decide(newcomer, Snapshot(nodes, around, **extra), choice=random.Random(1))


def occupied(name: str, *others: PodInfo, **kwargs: Any) -> NodeInfo:
    info = node(name, **kwargs)
    for other in others:
        info.add(other)
    return info


GPU = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]


def in_terms(key: str, *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


@pytest.mark.parametrize(
    ("newcomer", "only", "words"),
    [
        (pod(), node("a", unschedulable=True), "1 node(s) were unschedulable"),
        (pod(), node("a", taints=GPU), "1 node(s) had untolerated taint {dedicated: gpu}"),
        (pod(nodeSelector={"disk": "ssd"}), node("a"), "1 node(s) didn't match Pod's node affinity/selector"),
        (
            pod(affinity=in_terms("disk", "ssd")),
            node("a", labels={"disk": "hdd"}),
            "1 node(s) didn't match Pod's node affinity/selector",
        ),
        (pod(cpu="5"), node("a"), "1 Insufficient cpu"),
        (pod(), node("a", pods="0"), "1 Too many pods"),
        (
            pod("x", ports=[{"containerPort": 80, "hostPort": 80}]),
            occupied("a", pod("y", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}])),
            "1 node(s) didn't have free ports for the requested pod ports",
        ),
    ],
)
def test_a_refusal_says_why(newcomer: PodInfo, only: NodeInfo, words: str) -> None:
    assert place(newcomer, [only]) == f"0/1 nodes are available: {words}."


def test_reasons_are_counted_over_the_nodes() -> None:
    nodes = [node("a", taints=GPU), node("b", cpu="1"), node("c", cpu="1")]
    expected = "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 Insufficient cpu."
    decision = look(pod(cpu="2"), nodes)
    assert isinstance(decision, Refused)
    assert decision.message == expected
    assert decision.plugins == {"TaintToleration", "NodeResourcesFit"}


def test_without_nodes() -> None:
    assert place(pod(), []) == "no nodes available to schedule pods"


def test_a_cordon_is_tolerable() -> None:
    daemon = pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert place(daemon, [node("a", unschedulable=True)]) == "a"


def test_the_emptier_node_wins() -> None:
    assert place(pod(cpu="100m"), [occupied("a", pod("x", cpu="2")), node("b")]) == "b"


def test_preferences() -> None:
    disliked = node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}])
    assert place(pod(), [disliked, node("b")]) == "b"
    preference = {
        "weight": 50,
        "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]},
    }
    wants = pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}})
    assert place(wants, [node("a"), node("b", labels={"disk": "ssd"})]) == "b"


def test_pods_of_one_group_spread() -> None:
    web = {"app": "web"}
    nodes = [occupied("a", pod("x", labels=web)), occupied("b", pod("y")), node("c", labels={"z": "1"})]
    nodes[2].add(pod("other", labels=web))
    assert place(pod("z", labels=web), nodes, group_selectors=lambda _pod: [from_labels(web)]) == "b"


def test_an_image_that_is_there_attracts() -> None:
    warm = node("a")
    image = {"names": ["web:latest"], "sizeBytes": 900_000_000}
    warm.set_object(warm.obj | {"status": warm.obj["status"] | {"images": [image]}})
    assert place(pod(), [warm, node("b")]) == "a"


def spread(key: str, **extra: Any) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    } | extra


def zone(name: str) -> Labels:
    return {"topology.kubernetes.io/zone": name}


def test_hard_spreading() -> None:
    web = {"app": "web"}
    nodes = [occupied("a", pod("x", labels=web), labels=zone("1")), node("b", labels=zone("2")), node("c")]
    newcomer = pod("y", labels=web, topologySpreadConstraints=[spread("topology.kubernetes.io/zone")])
    assert place(newcomer, nodes) == "b"
    assert place(newcomer, [nodes[0], nodes[2]]) == "a"  # the only zone is also the emptiest
    assert place(newcomer, nodes[2:]) == (
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label)."
    )


def test_min_domains_asks_for_more_zones() -> None:
    web = {"app": "web"}
    full = occupied("a", pod("x", labels=web), labels=zone("1"))
    newcomer = pod("y", labels=web, topologySpreadConstraints=[spread("topology.kubernetes.io/zone", minDomains=2)])
    assert place(newcomer, [full]) == (
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints."
    )


def near(app: str, kind: str = "podAffinity") -> dict[str, Any]:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_affinity_follows_other_pods() -> None:
    nodes = [node("a"), occupied("b", pod("db", labels={"app": "db"}))]
    assert place(pod(affinity=near("db")), nodes) == "b"
    assert place(pod(affinity=near("cache")), nodes) == (
        "0/2 nodes are available: 2 node(s) didn't match pod affinity rules."
    )


def test_the_first_of_a_group_may_start_alone() -> None:
    assert place(pod(labels={"app": "db"}, affinity=near("db")), [node("a")]) == "a"


def test_anti_affinity_in_both_directions() -> None:
    shy = pod("shy", labels={"app": "db"}, affinity=near("db", "podAntiAffinity"))
    taken = occupied("a", shy)
    assert place(pod("x", labels={"app": "db"}), [taken]) == (
        "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules."
    )
    crowd = occupied("a", pod("y", labels={"app": "db"}))
    assert place(pod("x", affinity=near("db", "podAntiAffinity")), [crowd]) == (
        "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
    )
    assert place(pod("x", labels={"app": "db"}, affinity=near("db", "podAntiAffinity")), [taken, node("b")]) == "b"


def claiming(name: str = "data") -> PodInfo:
    return pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": name}}])


def test_claims() -> None:
    assert place(claiming(), [node("a")]) == ('0/1 nodes are available: persistentvolumeclaim "data" not found.')
    unbound = Volumes(claim=lambda _ns, _name: {"metadata": {"name": "data"}, "spec": {}})
    assert place(claiming(), [node("a")], volumes=unbound) == (
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    )


def test_a_bound_volume_ties_the_pod_to_its_node() -> None:
    required = in_terms("kubernetes.io/hostname", "b")["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    volumes = Volumes(
        claim=lambda _ns, _name: {
            "metadata": {"name": "data", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": "pv"},
        },
        volume=lambda _name: {"metadata": {"name": "pv"}, "spec": {"nodeAffinity": {"required": required}}},
    )
    assert place(claiming(), [node("a"), node("b")], volumes=volumes) == "b"
    assert place(claiming(), [node("a")], volumes=volumes) == (
        "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity."
    )
