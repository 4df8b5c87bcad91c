"""Inter-pod affinity and anti-affinity: pods that want to be near, or far from, other pods.

The work is done per topology domain, not per node: every term becomes a tally of (label, value) pairs that nodes are
then looked up in, as upstream's InterPodAffinity plugin does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from minikube_py.scheduler.snapshot import MAX_SCORE, Check, Snapshot
from minikube_py.scheduler.views import AffinityTerm, NodeInfo, PodInfo

_NO_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_OTHERS_OBJECT = "node(s) didn't satisfy existing pods anti-affinity rules"

#: A node label and its value: one place of a topology.
Domain = tuple[str, str]
#: How much a pod's *required* affinity to the newcomer counts when scoring (hardPodAffinityWeight).
_REQUIRED_WEIGHT = 1


def interpod_filter(pod: PodInfo, snapshot: Snapshot) -> Check | None:
    """The pod's required rules, and the required anti-affinity of the pods that are there already."""
    rules = pod.affinities
    objections = _objections(pod, snapshot)
    if not (rules.required or rules.required_anti or objections):
        return None
    near = _near(pod, snapshot)
    nobody_yet = not near and _matches_itself(pod, snapshot)
    far = _tally_terms(rules.required_anti, snapshot)

    def check(node: NodeInfo) -> Sequence[str]:
        if not _satisfied(rules.required, near, node, alone=nobody_yet):
            return (_NO_AFFINITY,)
        if any(far[domain] for domain in _domains(rules.required_anti, node)):
            return (_ANTI_AFFINITY,)
        if any(objections[domain] for domain in node.labels.items()):
            return (_OTHERS_OBJECT,)
        return ()

    return check


def interpod_score(pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """Adds the weights of preferred rules in both directions, scaled to the score range."""
    rules = pod.affinities
    if not (rules.preferred or rules.preferred_anti or snapshot.affinity_nodes):
        return None
    weights: Counter[Domain] = Counter()
    if rules.preferred or rules.preferred_anti:
        for node in snapshot.nodes:
            for other in node.pods.values():
                _weigh_own(pod, other, node, snapshot, weights)
    for node in snapshot.affinity_nodes:
        for other in node.with_affinity.values():
            _weigh_theirs(pod, other, node, snapshot, weights)
    if not weights:
        return None
    totals = [sum(weights[domain] for domain in node.labels.items()) for node in nodes]
    low, high = min(totals, default=0), max(totals, default=0)
    return [MAX_SCORE * (total - low) // (high - low) if high > low else 0 for total in totals]


def _objections(pod: PodInfo, snapshot: Snapshot) -> Counter[Domain]:
    """Domains that a pod already there forbids to the newcomer."""
    labels = snapshot.namespace_labels(pod.namespace)
    tally: Counter[Domain] = Counter()
    for node in snapshot.affinity_nodes:
        for other in node.with_affinity.values():
            for term in other.affinities.required_anti:
                value = node.labels.get(term.topology_key)
                if value is not None and term.matches(pod, labels):
                    tally[(term.topology_key, value)] += 1
    return tally


def _near(pod: PodInfo, snapshot: Snapshot) -> Counter[Domain]:
    """Domains with a pod that matches *all* required affinity terms."""
    terms = pod.affinities.required
    tally: Counter[Domain] = Counter()
    if not terms:
        return tally
    for node in snapshot.nodes:
        count = sum(1 for other in node.pods.values() if _matches_all(terms, other, snapshot))
        if count:
            tally.update(dict.fromkeys(_domains(terms, node), count))
    return tally


def _tally_terms(terms: Sequence[AffinityTerm], snapshot: Snapshot) -> Counter[Domain]:
    tally: Counter[Domain] = Counter()
    if not terms:
        return tally
    for node in snapshot.nodes:
        for other in node.pods.values():
            labels = snapshot.namespace_labels(other.namespace)
            for term in terms:
                value = node.labels.get(term.topology_key)
                if value is not None and term.matches(other, labels):
                    tally[(term.topology_key, value)] += 1
    return tally


def _matches_all(terms: Iterable[AffinityTerm], other: PodInfo, snapshot: Snapshot) -> bool:
    labels = snapshot.namespace_labels(other.namespace)
    return all(term.matches(other, labels) for term in terms)


def _matches_itself(pod: PodInfo, snapshot: Snapshot) -> bool:
    """The first pod of a group that wants to be together would otherwise never start."""
    return bool(pod.affinities.required) and _matches_all(pod.affinities.required, pod, snapshot)


def _satisfied(terms: Sequence[AffinityTerm], near: Counter[Domain], node: NodeInfo, *, alone: bool) -> bool:
    domains = _domains(terms, node)
    return len(domains) == len(terms) and (alone or all(near[domain] for domain in domains))


def _domains(terms: Iterable[AffinityTerm], node: NodeInfo) -> list[Domain]:
    labels = node.labels
    return [(term.topology_key, labels[term.topology_key]) for term in terms if term.topology_key in labels]


def _weigh_own(pod: PodInfo, other: PodInfo, node: NodeInfo, snapshot: Snapshot, weights: Counter[Domain]) -> None:
    labels = snapshot.namespace_labels(other.namespace)
    for sign, terms in ((1, pod.affinities.preferred), (-1, pod.affinities.preferred_anti)):
        for term in terms:
            if term.matches(other, labels):
                _weigh(term.topology_key, node, sign * term.weight, weights)


def _weigh_theirs(pod: PodInfo, other: PodInfo, node: NodeInfo, snapshot: Snapshot, weights: Counter[Domain]) -> None:
    labels, rules = snapshot.namespace_labels(pod.namespace), other.affinities
    for sign, terms in ((1, rules.preferred), (-1, rules.preferred_anti)):
        for term in terms:
            if term.matches(pod, labels):
                _weigh(term.topology_key, node, sign * term.weight, weights)
    for term in rules.required:
        if term.matches(pod, labels):
            _weigh(term.topology_key, node, _REQUIRED_WEIGHT, weights)


def _weigh(key: str, node: NodeInfo, weight: int, weights: Counter[Domain]) -> None:
    value = node.labels.get(key)
    if value is not None:
        weights[(key, value)] += weight
