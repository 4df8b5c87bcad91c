"""Whether one real request went the way that was foretold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from minikube_py.insight.trace.path import Outcome, Path

#: How curl ends where the way ends (curl(1), EXIT CODES).
_COULD_NOT_RESOLVE, _COULD_NOT_CONNECT, _TIMED_OUT = 6, 7, 28
_ENDINGS = {
    Outcome.UNRESOLVED: (_COULD_NOT_RESOLVE, _TIMED_OUT),
    Outcome.REJECT: (_COULD_NOT_CONNECT,),
    Outcome.DROP: (_TIMED_OUT,),
}
_WORDS = {
    _COULD_NOT_RESOLVE: "the name did not resolve",
    _COULD_NOT_CONNECT: "the connection was refused",
    _TIMED_OUT: "nothing came back in time",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it. ``agrees`` is None where the answer does not tell who gave it."""

    told: str
    agrees: bool | None


def compare(path: Path, exit_code: int, body: str, *, node_ips: Collection[str] = ()) -> Sent:
    """``exit_code`` and ``body`` are curl's. Only `minik.local/echo` tells who answers and whom it sees."""
    if exit_code:
        expected = _ENDINGS.get(path.outcome)
        failed = exit_code in expected if expected else not path.arrives
        return Sent(_WORDS.get(exit_code, f"curl ended with exit code {exit_code}"), failed)
    if not path.arrives:
        return Sent("something answered", False)
    answer = dict(line.split(": ", 1) for line in body.splitlines() if ": " in line)
    if "local" not in answer or "client" not in answer:
        return Sent("something answered; who did is not told (minik.local/echo tells)", None)
    seen = answer["client"].rpartition(":")[0].strip("[]")
    told = f"{answer['local']} answered (pod {answer.get('pod', 'unknown')}), and saw {seen}"
    if not path.endpoints:
        return Sent(told, None)
    return Sent(told, answer["local"] in path.endpoints and _source_agrees(path, answer["local"], seen, node_ips))


def _source_agrees(path: Path, local: str, seen: str, node_ips: Collection[str]) -> bool:
    """A pod that reaches itself, or one in a node's own network, is seen as the proxy can."""
    own, endpoint = path.source.ip, local.rpartition(":")[0].strip("[]")
    if path.keeps_source is None or not own or endpoint == own or endpoint in node_ips:
        return True
    if not path.keeps_source and own in node_ips:
        return True  # one address of the node for another: they may be the same
    return (seen == own) is path.keeps_source
