"""The picture in a terminal: a tree of Services with what is behind them."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.insight.graph.model import Endpoint, Graph, ServiceBox

_MARKS = {"ready": "●", "not ready": "○", "terminating": "◌"}


def text(graph: Graph) -> str:
    """One tree per Service, and the pods that nobody leads to."""
    lines = [line for box in graph.services for line in _service(box)]
    if graph.loose:
        lines += ["behind no Service", *(f"└─ {namespace}/{pod}  {node}" for namespace, pod, node in graph.loose)]
    if lines:
        lines.append("● ready  ○ not ready  ◌ terminating")
    return "\n".join(lines) + "\n" if lines else "nothing to show\n"


def _service(box: ServiceBox) -> Iterator[str]:
    yield f"{box.namespace}/{box.name}  {box.detail}"
    if not box.slices and not box.detail.startswith("ExternalName"):
        yield "└─ no EndpointSlice"
    for number, one in enumerate(box.slices):
        last = number == len(box.slices) - 1
        yield f"{'└─' if last else '├─'} {one.name}  port {one.ports}"
        indent = "   " if last else "│  "
        if not one.endpoints:
            yield f"{indent}└─ no endpoints"
        for place, endpoint in enumerate(one.endpoints):
            branch = "└─" if place == len(one.endpoints) - 1 else "├─"
            yield f"{indent}{branch} {_MARKS[endpoint.state]} {_endpoint(endpoint)}"


def _endpoint(endpoint: Endpoint) -> str:
    pod = f"{endpoint.pod}  " if endpoint.pod else ""
    return f"{pod}{endpoint.address}  {endpoint.node}".rstrip()
