"""What a trace consists of: who asks, what was looked up, and the steps from there to an endpoint or to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Origin(StrEnum):
    """From where a connection is made."""

    POD = "pod"
    NODE = "node"
    HOST = "host"
    """The machine that the cluster runs on: where a person's browser is."""
    OUTSIDE = "outside"
    """Any machine beyond the cluster that has a road to it."""


class Outcome(StrEnum):
    """Where the way ends."""

    FORWARD = "Forward"
    REJECT = "Reject"
    DROP = "Drop"
    DIRECT = "Direct"
    """No proxy is involved: the client has the endpoints' own addresses."""
    ALIAS = "Alias"
    """A CNAME record sends the client elsewhere."""
    UNRESOLVED = "NameUnresolved"
    NO_ROUTE = "NoRoute"


@dataclass(frozen=True, slots=True)
class Source:
    """Who connects. ``node`` is where the connection meets a proxy; ``ip`` is "" where it is not known.

    ``in_node_network``: a pod with hostNetwork, whose connections are the node's own.
    """

    origin: Origin
    name: str
    node: str
    ip: str = ""
    in_node_network: bool = False

    def __str__(self) -> str:
        return f"{self.origin} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to cluster DNS and its answer; ``made_from`` are the objects behind it."""

    name: str
    kind: str
    rcode: str
    data: tuple[str, ...] = ()
    made_from: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The answer's addresses, without the CNAME records that led to them."""
        return tuple(each for each in self.data if not each.endswith("."))

    def __str__(self) -> str:
        told = ", ".join(self.data) or (self.rcode if self.rcode != "NOERROR" else "no such record")
        return f"{self.name} {self.kind}: {told}"


@dataclass(frozen=True, slots=True)
class Step:
    """A decision on the way, and what led to it."""

    stage: str
    decision: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """The whole way. ``endpoints`` are those that one connection may reach, as ``ip:port``.

    ``keeps_source``: whether they see the client's own address; None where that is not foretold.
    """

    source: Source
    target: str
    outcome: Outcome
    steps: tuple[Step, ...]
    endpoints: tuple[str, ...] = ()
    keeps_source: bool | None = None

    @property
    def arrives(self) -> bool:
        """Whether a connection would reach anything."""
        return self.outcome is Outcome.ALIAS or bool(self.endpoints)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "from": {"kind": self.source.origin.value, "name": self.source.name, "node": self.source.node},
            "to": self.target,
            "outcome": self.outcome.value,
            "arrives": self.arrives,
            "endpoints": list(self.endpoints),
            "keepsSource": self.keeps_source,
            "steps": [
                {"stage": each.stage, "decision": each.decision, "reasons": list(each.reasons)} for each in self.steps
            ],
        }
