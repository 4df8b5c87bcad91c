"""The state of the cluster that one scheduling decision reads, and the shapes that filters and scores have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from minikube_py.api.selectors import LabelSelector
from minikube_py.api.types import Object
from minikube_py.scheduler.views import NodeInfo, PodInfo

#: Tells why a node is refused, in upstream's words; nothing where it is accepted.
Check = Callable[[NodeInfo], Sequence[str]]

MAX_SCORE = 100


class Unresolvable(Exception):
    """No node can take the pod until something other than nodes changes; the text is the whole explanation."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """Claims, volumes and classes, looked up by name."""

    claim: Callable[[str, str], Object | None] = lambda _namespace, _name: None
    volume: Callable[[str], Object | None] = lambda _name: None
    storage_class: Callable[[str], Object | None] = lambda _name: None
    all_volumes: Callable[[], Sequence[Object]] = lambda: ()
    claim_users: Callable[[str, str], int] = lambda _namespace, _name: 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a decision may look at. Valid until the next event: decisions are synchronous."""

    nodes: Sequence[NodeInfo]
    #: Nodes that hold pods with inter-pod rules of their own.
    affinity_nodes: Sequence[NodeInfo] = ()
    namespace_labels: Callable[[str], Mapping[str, str]] = lambda _namespace: {}
    #: The selectors of the Services and of the controller that a pod belongs to.
    group_selectors: Callable[[PodInfo], Sequence[LabelSelector]] = lambda _pod: ()
    volumes: Volumes = field(default_factory=Volumes)


#: Prepares a check for one pod, or None where the pod has nothing to check. May raise Unresolvable.
Filter = Callable[[PodInfo, Snapshot], Check | None]
#: A number from 0 to MAX_SCORE per node, or None where the pod has no preference.
Score = Callable[[PodInfo, Snapshot, Sequence[NodeInfo]], Sequence[int] | None]


def normalized(values: Sequence[int], *, reverse: bool = False) -> list[int]:
    """Scales so that the largest becomes MAX_SCORE; ``reverse`` turns the order round (DefaultNormalizeScore)."""
    top = max(values, default=0)
    if top == 0:
        return [MAX_SCORE if reverse else 0] * len(values)
    scaled = [MAX_SCORE * value // top for value in values]
    return [MAX_SCORE - value for value in scaled] if reverse else scaled
