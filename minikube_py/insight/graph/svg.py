"""The picture as SVG: Services left, their slices in the middle, pods on their nodes at the right."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from minikube_py.insight.graph.model import Endpoint, Graph

_ROW, _GAP, _PAD = 40, 14, 16
_SERVICE_X, _SERVICE_WIDTH = 20, 360
_SLICE_X, _SLICE_WIDTH = 450, 200
_NODE_X, _NODE_WIDTH = 740, 300
_COLOURS = {"ready": "#2e7d32", "not ready": "#c62828", "terminating": "#ef6c00"}
_STYLE = "text{font:13px sans-serif;fill:#222}.dim{font-size:11px;fill:#666}.bold{font-weight:bold}"


@dataclass(slots=True)
class _Drawing:
    """What is drawn so far: lines lie above the nodes' frames and below the boxes."""

    frames: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    pods: dict[tuple[str, str], float] = field(default_factory=dict)

    def box(self, x: float, y: float, width: float, height: float, fill: str, stroke: str) -> None:
        self.boxes.append(_rectangle(x, y, width, height, fill, stroke))

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        self.frames.append(_rectangle(x, y, width, height, "#f5f7fa", "#90a4ae"))

    def text(self, x: float, y: float, words: str, kind: str = "", *, room: int = 60) -> None:
        shown = words if len(words) <= room else words[: room - 1] + "…"
        mark = f' class="{kind}"' if kind else ""
        self.boxes.append(f'<text x="{x}" y="{y}"{mark}><title>{escape(words)}</title>{escape(shown)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, state: str) -> None:
        middle = (x1 + x2) / 2
        dash = "" if state == "ready" else ' stroke-dasharray="5 4"'
        self.lines.append(
            f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" '
            f'stroke="{_COLOURS[state]}" stroke-width="1.5"{dash}/>'
        )


def _rectangle(x: float, y: float, width: float, height: float, fill: str, stroke: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}"/>'


def svg(graph: Graph) -> str:
    """A whole SVG document."""
    drawing = _Drawing()
    right = _nodes(graph, drawing)
    left = _services(graph, drawing)
    height, width = max(right, left) + _PAD, _NODE_X + _NODE_WIDTH + 20
    body = "\n".join([*drawing.frames, *drawing.lines, *drawing.boxes])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return f'{head}\n<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'


def _nodes(graph: Graph, drawing: _Drawing) -> float:
    """A frame per node with its pods. Returns where it ends."""
    y = float(_PAD)
    for node in (*graph.nodes, ""):
        pods = _pods_of(graph, node)
        if not pods and not node:
            continue
        drawing.frame(_NODE_X, y, _NODE_WIDTH, 28 + len(pods) * (_ROW - 8) + _PAD / 2)
        drawing.text(_NODE_X + 10, y + 18, node or "outside the nodes", "bold")
        y += 28
        for key, label in pods.items():
            drawing.box(_NODE_X + 10, y, _NODE_WIDTH - 20, _ROW - 14, "#fff", "#607d8b")
            drawing.text(_NODE_X + 18, y + 17, label, room=38)
            drawing.pods[key] = y + (_ROW - 14) / 2
            y += _ROW - 8
        y += _PAD / 2 + _GAP
    return y


def _services(graph: Graph, drawing: _Drawing) -> float:
    y = float(_PAD)
    for box in graph.services:
        height = max(len(box.slices), 1) * (_ROW + _GAP) - _GAP
        middle = y + height / 2
        drawing.box(_SERVICE_X, middle - _ROW / 2, _SERVICE_WIDTH, _ROW, "#e3f2fd", "#1565c0")
        drawing.text(_SERVICE_X + 10, middle - 3, f"{box.namespace}/{box.name}", "bold", room=42)
        drawing.text(_SERVICE_X + 10, middle + 13, box.detail, "dim", room=56)
        for one in box.slices:
            drawing.box(_SLICE_X, y, _SLICE_WIDTH, _ROW, "#fff8e1", "#f9a825")
            drawing.text(_SLICE_X + 10, y + 17, one.name, room=25)
            drawing.text(_SLICE_X + 10, y + 33, f"port {one.ports}", "dim", room=32)
            drawing.line(_SERVICE_X + _SERVICE_WIDTH, middle, _SLICE_X, y + _ROW / 2, "ready")
            for each in one.endpoints:
                end = drawing.pods.get(_key(box.namespace, each))
                if end is not None:
                    drawing.line(_SLICE_X + _SLICE_WIDTH, y + _ROW / 2, _NODE_X + 10, end, each.state)
            y += _ROW + _GAP
        y += 0 if box.slices else _ROW + _GAP
    return y


def _pods_of(graph: Graph, node: str) -> dict[tuple[str, str], str]:
    known = set(graph.nodes)
    found = {
        _key(box.namespace, each): each.label
        for box in graph.services
        for one in box.slices
        for each in one.endpoints
        if (each.node if each.node in known else "") == node
    }
    loose = {(namespace, pod): pod for namespace, pod, on in graph.loose if (on if on in known else "") == node}
    return found | loose


def _key(namespace: str, endpoint: Endpoint) -> tuple[str, str]:
    return (namespace, endpoint.pod) if endpoint.pod else ("", endpoint.address)
