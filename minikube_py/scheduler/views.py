"""What the scheduler keeps of a pod and of a node: parsed once per event, read a thousand times per decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minikube_py.api.meta import controller_of, is_deleting, labels_of, name_of, namespace_of, uid_of
from minikube_py.api.podresources import Amounts, amounts, pod_requests
from minikube_py.api.selectors import LabelSelector, label_selector_of
from minikube_py.api.types import Object, ObjectKey

ANY_ADDRESS = "0.0.0.0"
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


class HostPort(NamedTuple):
    """A port a pod takes on its node."""

    address: str
    protocol: str
    port: int

    def collides(self, other: HostPort) -> bool:
        """Whether both cannot be on one node; the wildcard address collides with every address."""
        if (self.protocol, self.port) != (other.protocol, other.port):
            return False
        return self.address == other.address or ANY_ADDRESS in (self.address, other.address)


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """One ``PodAffinityTerm``: which pods, in which namespaces, over which topology. ``weight`` is 0 when required."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    weight: int = 0

    def matches(self, pod: PodInfo, namespace_labels: Mapping[str, str]) -> bool:
        """Whether the term is about this pod; ``namespace_labels`` are those of the pod's namespace."""
        here = pod.namespace in self.namespaces or (
            self.namespace_selector is not None and self.namespace_selector.matches(namespace_labels)
        )
        return here and self.selector.matches(pod.labels)


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One ``TopologySpreadConstraint``; ``hard`` is DoNotSchedule."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: LabelSelector
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, slots=True)
class Affinities:
    """A pod's inter-pod rules."""

    required: tuple[AffinityTerm, ...] = ()
    required_anti: tuple[AffinityTerm, ...] = ()
    preferred: tuple[AffinityTerm, ...] = ()
    preferred_anti: tuple[AffinityTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.required or self.required_anti or self.preferred or self.preferred_anti)


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod as the scheduler sees it."""

    obj: Object
    key: ObjectKey
    uid: str
    labels: Mapping[str, str]
    node_name: str
    priority: int
    requests: Amounts
    assumed: Amounts
    host_ports: tuple[HostPort, ...]
    tolerations: tuple[Mapping[str, Any], ...]
    affinities: Affinities
    spread: tuple[SpreadConstraint, ...]
    deleting: bool

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def spec(self) -> Object:
        return self.obj.get("spec") or {}

    @property
    def controller(self) -> Mapping[str, Any] | None:
        return controller_of(self.obj)

    @classmethod
    def from_object(cls, pod: Object) -> PodInfo:
        """Reads a pod. Raises ValueError where a quantity or selector is unreadable."""
        spec = pod.get("spec") or {}
        minimum = pod_requests(pod, assume_minimum=True)
        return cls(
            obj=pod,
            key=ObjectKey(namespace_of(pod), name_of(pod)),
            uid=uid_of(pod),
            labels=labels_of(pod),
            node_name=spec.get("nodeName") or "",
            priority=int(spec.get("priority") or 0),
            requests={name: amount for name, amount in pod_requests(pod).items() if amount},
            assumed={"cpu": minimum.get("cpu", 0), "memory": minimum.get("memory", 0)},
            host_ports=tuple(_host_ports(spec)),
            tolerations=tuple(spec.get("tolerations") or ()),
            affinities=_affinities(pod, spec.get("affinity") or {}),
            spread=tuple(_constraint(pod, entry) for entry in spec.get("topologySpreadConstraints") or ()),
            deleting=is_deleting(pod),
        )


@dataclass(slots=True)
class NodeInfo:
    """A node and the sums over the pods on it, kept up to date pod by pod."""

    obj: Object
    allocatable: Amounts = field(default_factory=dict)
    requested: Amounts = field(default_factory=dict)
    assumed: Amounts = field(default_factory=lambda: {"cpu": 0, "memory": 0})
    pods: dict[str, PodInfo] = field(default_factory=dict)
    with_affinity: dict[str, PodInfo] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return name_of(self.obj)

    @property
    def labels(self) -> dict[str, str]:
        return labels_of(self.obj)

    @property
    def taints(self) -> list[dict[str, Any]]:
        return (self.obj.get("spec") or {}).get("taints") or []

    def set_object(self, node: Object) -> None:
        """Takes the node's newer state; the pods stay."""
        status = node.get("status") or {}
        self.obj = node
        self.allocatable = amounts(status.get("allocatable") or status.get("capacity"))
        self.images = {
            name: int(image.get("sizeBytes") or 0)
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }

    def add(self, pod: PodInfo) -> None:
        """Counts the pod in. A pod counted already is replaced."""
        self.remove(pod.uid)
        self.pods[pod.uid] = pod
        if pod.affinities:
            self.with_affinity[pod.uid] = pod
        self._count(pod, 1)

    def remove(self, uid: str) -> None:
        """Counts the pod out; a pod that is not here changes nothing."""
        pod = self.pods.pop(uid, None)
        self.with_affinity.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: PodInfo, sign: int) -> None:
        for name, amount in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        for name, amount in pod.assumed.items():
            self.assumed[name] = self.assumed.get(name, 0) + sign * amount


def _host_ports(spec: Object) -> Iterable[HostPort]:
    sidecars = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            number = int(port.get("hostPort") or 0)
            if number:
                yield HostPort(port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", number)


def _affinities(pod: Object, affinity: Object) -> Affinities:
    near, far = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    if not near and not far:
        return Affinities()
    return Affinities(_required(pod, near), _required(pod, far), _preferred(pod, near), _preferred(pod, far))


def _required(pod: Object, rules: Object) -> tuple[AffinityTerm, ...]:
    terms = rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_term(pod, term, 0) for term in terms)


def _preferred(pod: Object, rules: Object) -> tuple[AffinityTerm, ...]:
    choices = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_term(pod, choice.get("podAffinityTerm") or {}, int(choice.get("weight") or 0)) for choice in choices)


def _term(pod: Object, term: Object, weight: int) -> AffinityTerm:
    named = frozenset(term.get("namespaces") or ())
    selector = term.get("namespaceSelector")
    if not named and selector is None:
        named = frozenset({namespace_of(pod)})
    return AffinityTerm(
        topology_key=term.get("topologyKey") or "",
        selector=_with_label_keys(pod, term),
        namespaces=named,
        namespace_selector=label_selector_of(selector) if selector is not None else None,
        weight=weight,
    )


def _constraint(pod: Object, entry: Object) -> SpreadConstraint:
    return SpreadConstraint(
        max_skew=int(entry.get("maxSkew") or 1),
        topology_key=entry.get("topologyKey") or "",
        hard=entry.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        selector=_with_label_keys(pod, entry),
        min_domains=int(entry.get("minDomains") or 1),
        honor_affinity=entry.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=entry.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _with_label_keys(pod: Object, term: Object) -> LabelSelector:
    """The term's selector narrowed by ``matchLabelKeys`` and ``mismatchLabelKeys`` (KEP-3243, KEP-3633)."""
    selector, labels = term.get("labelSelector"), labels_of(pod)
    if selector is None:
        return label_selector_of(None)
    extra = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field_name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field_name) or ()
        if key in labels
    ]
    return label_selector_of(selector | {"matchExpressions": [*(selector.get("matchExpressions") or ()), *extra]})
