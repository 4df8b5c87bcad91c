"""The story as a waterfall: when, who, what; a bar shows where in the whole time a write lies."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.types import Object
from minikube_py.insight.timeline.model import Write

_BAR = 24
_WHO = 24
_MOST_PATHS = 3


def waterfall(writes: Sequence[Write]) -> str:
    """A line per write; ``<- n`` names the line that it answers."""
    if not writes:
        return "nothing was written\n"
    begin = writes[0].moment
    whole = max((writes[-1].moment - begin).total_seconds(), 0.001)
    numbers = {write.revision: number for number, write in enumerate(writes, start=1)}
    lines = []
    for number, write in enumerate(writes, start=1):
        seconds = (write.moment - begin).total_seconds()
        spot = min(int(seconds / whole * _BAR), _BAR - 1)
        bar = "·" * spot + "█" + "·" * (_BAR - spot - 1)
        cause = f"  <- {numbers[write.cause]}" if write.cause in numbers else ""
        told = f"{'  ' * min(write.depth, 6)}{write.verb} {write.what}{_detail(write)}"
        lines.append(f"{number:>3} {seconds * 1000:>9.1f} ms {bar} {write.who:<{_WHO}} {told}{cause}")
    return "\n".join(lines) + "\n"


def as_json(writes: Sequence[Write]) -> list[Object]:
    """For programs: milliseconds after the first, and ``cause`` as a revision (0: none)."""
    begin = writes[0].moment if writes else None
    return [
        {
            "revision": write.revision,
            "ms": round((write.moment - begin).total_seconds() * 1000, 3) if begin else 0.0,
            "who": write.who,
            "user": write.user,
            "verb": write.verb,
            "kind": write.kind,
            "name": write.obj["metadata"]["name"],
            "namespace": write.obj["metadata"].get("namespace") or "",
            "changed": list(write.changed),
            "cause": max(write.cause, 0),
        }
        for write in writes
    ]


def _detail(write: Write) -> str:
    if write.kind == "Event":
        return f": {write.obj.get('reason', '')}"
    if write.verb == "binds":
        return f" to {(write.obj.get('spec') or {}).get('nodeName', '')}"
    paths = [each.removeprefix("status.") for each in write.changed]
    if "phase" in paths:
        paths[paths.index("phase")] = f"phase {(write.obj.get('status') or {}).get('phase')}"
    more = ", …" if len(paths) > _MOST_PATHS else ""
    return f" ({', '.join(paths[:_MOST_PATHS])}{more})" if paths else ""
