"""The way of a connection, from planted objects and tables."""

from __future__ import annotations

import pytest

from minikube_py.insight.trace.meeting import Meeting, NoWay, Way, meet, owner_of
from minikube_py.insight.trace.mermaid import mermaid
from minikube_py.insight.trace.path import Lookup, Origin, Outcome, Path, Source
from minikube_py.insight.trace.walk import NoSuchPort, choose_port, walk
from tests.support.planted import Planted

POD = Source(Origin.POD, "client", "n1", "10.244.0.9")
NODE = Source(Origin.NODE, "n1", "n1")
HOST = Source(Origin.HOST, "", "n1")
ASKED = (
    Lookup("web.default.svc.cluster.local.", "A", "NOERROR", ("10.96.0.20",), ("Service default/web",)),
    Lookup("web.default.svc.cluster.local.", "AAAA", "NOERROR"),
)


def _walk(
    planted: Planted,
    source: Source = POD,
    lookups: tuple[Lookup, ...] = ASKED,
    way: Way | None = None,
    at: str = "",
    **route: object,
) -> Path:
    table = planted.tables["n1"] | {"node": "n1", "mode": "userspace"}
    table["routes"] = [{"keepSource": "Pods"} | each | route for each in table["routes"]]
    external = planted.spec["type"] == "ExternalName"
    port = None if external else choose_port(planted.service, "")
    meeting = meet(source, planted.service, port, nodes=planted.nodes, way=way, at=at) if port else None
    return walk(
        source=source,
        service=planted.service,
        port=port,
        meeting=meeting,
        lookups=lookups if source.origin is Origin.POD else (),
        tables={"n1": table, "n2": table | {"node": "n2"}},
        slices=planted.slices,
    )


def _told(path: Path, stage: str) -> str:
    return next(f"{step.decision} | {' | '.join(step.reasons)}" for step in path.steps if step.stage == stage)


def test_a_pod_reaches_one_of_the_ready_pods_as_itself() -> None:
    path = _walk(Planted())
    assert path.outcome is Outcome.FORWARD
    assert path.arrives
    assert path.endpoints == ("10.244.0.2:8080", "10.244.1.2:8080")
    assert [step.stage for step in path.steps] == ["name", "address", "policy", "source", "endpoints"]
    assert "Service default/web" in _told(path, "name")
    assert _told(path, "source").startswith("kept: 10.244.0.9")


def test_each_endpoint_without_traffic_has_its_reason() -> None:
    local = [{"address": "10.244.0.2:8080", "node": "n1"}]
    others = [{"address": "10.244.1.2:8080", "reason": "OtherNode"}]
    path = _walk(Planted(), endpoints=local, excluded=others, affinitySeconds=60)
    assert path.endpoints == ("10.244.0.2:8080",)
    told = _told(path, "endpoints")
    assert "10.244.1.2:8080 rejected: on another node" in told
    assert "for 60 s" in told


@pytest.mark.parametrize(("verdict", "words"), [("Reject", "refused at once"), ("Drop", "waits in vain")])
def test_nothing_is_left(verdict: str, words: str) -> None:
    path = _walk(Planted(), verdict=verdict, endpoints=[])
    assert not path.arrives
    assert path.outcome == verdict
    assert words in _told(path, "endpoints")


def test_a_name_that_does_not_resolve_ends_the_way() -> None:
    path = _walk(Planted(), lookups=(Lookup("web.other.", "A", "NXDOMAIN"),))
    assert path.outcome is Outcome.UNRESOLVED
    assert not path.arrives
    assert "web.other. A: NXDOMAIN" in _told(path, "name")


def test_a_pod_that_reaches_itself_sees_its_node() -> None:
    path = _walk(Planted(), Source(Origin.POD, "web-0", "n1", "10.244.0.2"))
    assert "except by 10.244.0.2:8080" in _told(path, "source")


def test_a_node_and_a_pod_in_its_network_are_seen_as_the_node() -> None:
    assert "an address of node n1" in _told(_walk(Planted(), NODE), "source")
    shared = Source(Origin.POD, "client", "n1", "192.168.230.11", in_node_network=True)
    assert "an address of node n1" in _told(_walk(Planted(), shared), "source")


def test_the_host_needs_a_node_port() -> None:
    with pytest.raises(NoWay, match="no node port"):
        _walk(Planted(), HOST)
    planted = Planted()
    planted.spec["ports"][0]["nodePort"] = 30080
    path = _walk(planted, HOST, address="127.0.0.1:30080/TCP (host)", kind="NodePort", keepSource="Never")
    assert path.outcome is Outcome.FORWARD
    assert _told(path, "source").startswith("rewritten")


def test_a_headless_service_gives_the_pods_themselves() -> None:
    planted = Planted()
    planted.spec["clusterIP"] = "None"
    planted.slice["endpoints"][1]["conditions"]["ready"] = False
    path = _walk(planted)
    assert path.outcome is Outcome.DIRECT
    assert path.endpoints == ("10.244.0.2:8080",)
    assert "10.244.1.2:8080 rejected: not ready" in _told(path, "endpoints")
    planted.spec["ports"][0]["nodePort"] = 30080
    assert _walk(planted, HOST).outcome is Outcome.NO_ROUTE


def test_an_external_name_is_an_alias() -> None:
    planted = Planted()
    planted.service["spec"] = {"type": "ExternalName", "externalName": "example.com"}
    answered = Lookup("web.default.svc.cluster.local.", "A", "NOERROR", ("example.com.", "192.0.2.1"))
    assert answered.addresses == ("192.0.2.1",)
    assert _walk(planted, lookups=(answered,)).outcome is Outcome.ALIAS
    assert not _walk(planted, lookups=(Lookup("web.", "A", "NOERROR", ("example.com.",)),)).arrives


def test_what_the_node_serves_itself_or_cannot_serve() -> None:
    assert _walk(Planted(), servedBy="the node's own DNS server").endpoints == ("10.96.0.20:80",)
    path = _walk(Planted(), problem="address in use")
    assert not path.arrives
    assert "address in use" in _told(path, "address")


def test_a_port_by_number_or_name() -> None:
    service = Planted().service
    assert choose_port(service, "http") is choose_port(service, "80") is choose_port(service, "")
    with pytest.raises(NoSuchPort, match=r"no port 81 \(has: 80 http\)"):
        choose_port(service, "81")


def test_as_json() -> None:
    told = _walk(Planted()).as_json()
    assert told["outcome"] == "Forward"
    assert told["from"] == {"kind": "pod", "name": "client", "node": "n1"}
    assert [step["stage"] for step in told["steps"]][-1] == "endpoints"


OUTSIDE = Source(Origin.OUTSIDE, "", "")
SHARED = Source(Origin.POD, "edge", "n1", "192.168.230.11", in_node_network=True)


def _published(**spec: object) -> Planted:
    """A Service with every address there is, and nodes that have theirs."""
    planted = Planted()
    planted.spec["ports"][0]["nodePort"] = 30080
    planted.spec["externalIPs"] = ["203.0.113.9"]
    planted.spec.update(spec)
    planted.service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.168.231.1"}]}}
    for number, node in enumerate(planted.nodes, start=11):
        node["status"]["addresses"] = [{"type": "InternalIP", "address": f"192.168.230.{number}"}]
    return planted


def _meet(source: Source, way: Way | None = None, at: str = "", planted: Planted | None = None) -> Meeting:
    planted = planted or _published()
    return meet(source, planted.service, planted.spec["ports"][0], nodes=planted.nodes, way=way, at=at)


@pytest.mark.parametrize(
    ("source", "way", "at", "ip", "kind", "nodes", "inside"),
    [
        (POD, None, "", "", "ClusterIP", ("n1",), True),
        (POD, Way.NODE_PORT, "", "192.168.230.11", "NodePort", ("n1",), True),
        (POD, Way.NODE_PORT, "n2", "192.168.230.12", "NodePort", ("n2",), False),
        (SHARED, Way.NODE_PORT, "n1", "192.168.230.11", "NodePort", ("n1",), True),
        (SHARED, Way.NODE_PORT, "n2", "192.168.230.12", "NodePort", ("n2",), False),
        (NODE, Way.NODE_PORT, "n2", "192.168.230.12", "NodePort", ("n2",), False),
        (HOST, None, "", "", "NodePort", ("n1",), True),
        (OUTSIDE, Way.NODE_PORT, "n2", "192.168.230.12", "NodePort", ("n2",), False),
        (POD, Way.EXTERNAL_IP, "", "203.0.113.9", "ExternalIP", ("n1",), True),
        (OUTSIDE, Way.EXTERNAL_IP, "n2", "203.0.113.9", "ExternalIP", ("n2",), False),
        (POD, Way.LOAD_BALANCER, "", "192.168.231.1", "LoadBalancer", ("n1",), True),
        (OUTSIDE, None, "", "192.168.231.1", "NodePort", ("n1", "n2"), False),
    ],
)
def test_where_a_connection_meets_a_proxy(
    source: Source, way: Way | None, at: str, ip: str, kind: str, nodes: tuple[str, ...], inside: bool
) -> None:
    met = _meet(source, way, at)
    assert (met.ip, met.kind, met.nodes, met.inside) == (ip, kind, nodes, inside)


def test_a_way_that_is_none_is_told() -> None:
    bare = Planted()
    for source, way in ((OUTSIDE, None), (OUTSIDE, Way.CLUSTER_IP), (POD, Way.EXTERNAL_IP), (POD, Way.NODE_PORT)):
        with pytest.raises(NoWay):
            _meet(source, way, planted=bare)
    with pytest.raises(NoWay, match="no Ready node n9"):
        _meet(OUTSIDE, Way.NODE_PORT, "n9")


def test_pods_do_not_shortcut_a_balancer_that_must_be_passed() -> None:
    planted = _published()
    planted.service["metadata"]["annotations"] = {"minik.io/load-balancer-ip-mode": "Proxy"}
    met = _meet(POD, Way.LOAD_BALANCER, planted=planted)
    assert met.balanced and not met.keeps


def _outside_route(verdict: str, *addresses: str) -> dict[str, object]:
    endpoints = [{"address": each, "node": "n1"} for each in addresses]
    return {"verdict": verdict, "endpoints": endpoints, "excluded": []}


def test_clients_outside_get_what_the_external_policy_leaves() -> None:
    planted = _published(externalTrafficPolicy="Local")
    route = {"kind": "NodePort", "keepSource": "All", "outside": _outside_route("Drop")}
    dropped = _walk(planted, OUTSIDE, way=Way.NODE_PORT, address="192.168.230.11:30080/TCP", **route)
    assert dropped.outcome is Outcome.DROP
    inside = _walk(planted, POD, way=Way.NODE_PORT, address="192.168.230.11:30080/TCP", **route)
    assert inside.outcome is Outcome.FORWARD and inside.keeps_source
    assert "does not bind the node's own" in _told(inside, "policy")


def test_a_balancer_passes_by_nodes_without_an_endpoint() -> None:
    planted = _published(externalTrafficPolicy="Local")
    for node, outside in (("n1", _outside_route("Forward", "10.244.0.2:8080")), ("n2", _outside_route("Drop"))):
        planted.tables[node]["routes"][0] |= {"kind": "NodePort", "keepSource": "All", "outside": outside}
    port = planted.spec["ports"][0]
    path = walk(
        source=OUTSIDE,
        service=planted.service,
        port=port,
        meeting=_meet(OUTSIDE, planted=planted),
        lookups=(),
        tables=planted.tables,
        slices=(),
    )
    assert path.endpoints == ("10.244.0.2:8080",) and path.keeps_source
    assert "n2 rejected" in _told(path, "balancer")


def test_an_address_leads_to_its_service() -> None:
    planted = _published()
    for ip, number, way, node in (
        ("10.96.0.20", 80, Way.CLUSTER_IP, ""),
        ("192.168.230.12", 30080, Way.NODE_PORT, "n2"),
        ("127.0.0.1", 30080, Way.NODE_PORT, ""),
        ("203.0.113.9", 80, Way.EXTERNAL_IP, ""),
        ("192.168.231.1", 80, Way.LOAD_BALANCER, ""),
    ):
        planted.spec["clusterIPs"] = ["10.96.0.20"]
        found = owner_of(planted.services, planted.nodes, ip, number)
        assert found is not None and found[2:] == (way, node)
    assert owner_of(planted.services, planted.nodes, "10.96.0.20", 81) is None


def test_as_a_diagram() -> None:
    text = mermaid(_walk(Planted(), endpoints=[], verdict="Reject", excluded=[{"address": "a", "reason": "NotReady"}]))
    assert text.startswith("flowchart LR\n") and "-.-> e0" in text and "--x end1" in text
    assert "#quot;" not in text and mermaid(_walk(Planted())).count("-->") >= 6
