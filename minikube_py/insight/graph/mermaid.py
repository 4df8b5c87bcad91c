"""The picture as a mermaid flowchart: nodes are boxes around their pods."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.insight.graph.model import Endpoint, Graph


def mermaid(graph: Graph) -> str:
    """The text of the diagram."""
    names = _Names()
    lines = ["flowchart LR"]
    lines += [line for node in (*graph.nodes, "") for line in _node(graph, node, names)]
    for box in graph.services:
        service = names.of(f"service/{box.namespace}/{box.name}")
        lines.append(f'  {service}["<b>{_safe(box.name)}</b><br/>{_safe(box.detail)}"]')
        for one in box.slices:
            slice_ = names.of(f"slice/{box.namespace}/{one.name}")
            lines.append(f'  {slice_}[/"{_safe(one.name)}<br/>port {_safe(one.ports)}"/]')
            lines.append(f"  {service} --> {slice_}")
            for each in one.endpoints:
                arrow = "-->" if each.state == "ready" else f'-. "{each.state}" .->'
                lines.append(f"  {slice_} {arrow} {names.of(_key(box.namespace, each))}")
    return "\n".join(lines) + "\n"


class _Names:
    """Short names, for mermaid's own are restricted."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, key: str) -> str:
        return self._known.setdefault(key, f"n{len(self._known)}")


def _node(graph: Graph, node: str, names: _Names) -> Iterator[str]:
    """The pods of a node in its box; those of no known node without one."""
    known = set(graph.nodes)
    pods = {
        names.of(_key(box.namespace, each)): each.label
        for box in graph.services
        for one in box.slices
        for each in one.endpoints
        if (each.node if each.node in known else "") == node
    }
    pods |= {
        names.of(f"pod/{namespace}/{pod}"): pod
        for namespace, pod, on in graph.loose
        if (on if on in known else "") == node
    }
    inside = [f'    {name}(["{_safe(label)}"])' for name, label in pods.items()]
    if node:
        yield f'  subgraph {names.of(f"node/{node}")}["{_safe(node)}"]'
        yield from inside
        yield "  end"
    else:
        yield from inside


def _key(namespace: str, endpoint: Endpoint) -> str:
    return f"pod/{namespace}/{endpoint.pod}" if endpoint.pod else f"address/{endpoint.address}"


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
