"""The way of a connection, from planted objects and tables."""

from __future__ import annotations

import pytest

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


def _walk(planted: Planted, source: Source = POD, lookups: tuple[Lookup, ...] = ASKED, **route: object) -> Path:
    table = planted.tables["n1"] | {"node": "n1", "mode": "userspace"}
    table["routes"] = [{"keepSource": "Pods"} | each | route for each in table["routes"]]
    external = planted.spec["type"] == "ExternalName"
    return walk(
        source=source,
        service=planted.service,
        port=None if external else choose_port(planted.service, ""),
        lookups=lookups if source.origin is Origin.POD else (),
        table=table,
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
    assert _walk(Planted(), HOST).outcome is Outcome.NO_ROUTE
    path = _walk(Planted(), HOST, address="127.0.0.1:30080/TCP (host)", kind="NodePort", keepSource="Never")
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
