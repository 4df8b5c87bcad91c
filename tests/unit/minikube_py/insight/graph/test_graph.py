"""The picture of a small cluster, in every form."""

from __future__ import annotations

from xml.etree import ElementTree

from minikube_py.insight.graph.mermaid import mermaid
from minikube_py.insight.graph.model import Graph, draw
from minikube_py.insight.graph.svg import svg
from minikube_py.insight.graph.text import text
from tests.support.planted import Planted


def _graph(planted: Planted) -> Graph:
    names = {pod["status"]["podIP"]: pod["metadata"]["name"] for pod in planted.pods}
    for endpoint in planted.slice["endpoints"]:
        if name := names.get(endpoint["addresses"][0]):
            endpoint["targetRef"] = {"kind": "Pod", "name": name}
    return draw(services=planted.services, slices=planted.slices, pods=planted.pods, nodes=planted.nodes)


def test_who_is_behind_whom() -> None:
    planted = Planted()
    planted.pods.append(planted._pod("alone", "n1", "10.244.0.9"))
    planted.slice["endpoints"][1]["conditions"] = {"ready": False}
    planted.slice["endpoints"].append({"addresses": ["192.0.2.1"], "conditions": {"ready": False, "terminating": True}})
    graph = _graph(planted)
    [service] = graph.services
    assert service.detail == "ClusterIP 10.96.0.20 80/TCP"
    assert [each.state for each in service.slices[0].endpoints] == ["ready", "not ready", "terminating"]
    assert [each.label for each in service.slices[0].endpoints] == ["web-0", "web-1", "192.0.2.1"]
    assert graph.loose == (("default", "alone", "n1"),)


def test_as_text() -> None:
    assert text(_graph(Planted())).splitlines()[:4] == [
        "default/web  ClusterIP 10.96.0.20 80/TCP",
        "└─ web-abc  port 8080",
        "   ├─ ● web-0  10.244.0.2  n1",
        "   └─ ● web-1  10.244.1.2  n2",
    ]
    empty = Planted()
    empty.slices.clear()
    assert "no EndpointSlice" in text(_graph(empty))
    assert "behind no Service" in text(_graph(empty))
    assert text(Graph((), ("n1",))) == "nothing to show\n"


def test_as_mermaid_and_svg_with_names_that_are_markup() -> None:
    planted = Planted()
    planted.service["spec"] |= {"type": "ExternalName", "externalName": '"<&>"'}
    planted.nodes.append({"metadata": {"name": "n3"}})
    graph = _graph(planted)
    diagram = mermaid(graph)
    assert "&quot;&lt;&amp;" in diagram
    assert diagram.count("subgraph") == 3 and diagram.count("  end") == 3
    assert diagram.count("-->") == 3
    root = ElementTree.fromstring(svg(graph))
    shown = {each.text for each in root.iter("{http://www.w3.org/2000/svg}title")}
    assert {"default/web", "web-0", "web-1", "n1", "n2", "n3", 'ExternalName "<&>"'} <= shown


def test_an_endpoint_beyond_the_nodes_is_shown() -> None:
    planted = Planted()
    planted.slice["endpoints"] = [{"addresses": ["192.0.2.1"]}]
    graph = _graph(planted)
    assert "192.0.2.1" in svg(graph) and "192.0.2.1" in mermaid(graph)
