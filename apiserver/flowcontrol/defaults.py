"""The priority levels and flow schemas that every cluster has: upstream's mandatory and suggested objects.

Source: ``apiserver/pkg/apis/flowcontrol/bootstrap``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from minikube_py.api.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS, Resource
from minikube_py.api.types import Object

#: Who keeps these objects, as managedFields name it.
PRODUCER = "api-priority-and-fairness-config-producer-v1"

_AUTOUPDATE = {"apf.kubernetes.io/autoupdate-spec": "true"}


class _Level(NamedTuple):
    """A limited level: its share of the seats, how much of it others may borrow, and its queues (0: it rejects)."""

    name: str
    shares: int
    lendable_percent: int
    queues: int = 0
    hand_size: int = 0


_LEVELS = (
    _Level("catch-all", 5, 0),
    _Level("global-default", 20, 50, 128, 6),
    _Level("leader-election", 10, 0, 16, 4),
    _Level("node-high", 40, 25, 64, 6),
    _Level("system", 30, 33, 64, 6),
    _Level("workload-high", 40, 50, 128, 6),
    _Level("workload-low", 100, 90, 128, 6),
)


class _Schema(NamedTuple):
    """A flow schema. Subjects are ``group:NAME``, ``user:NAME`` or ``account:NAMESPACE/NAME``."""

    name: str
    level: str
    precedence: int
    subjects: Sequence[str]
    resources: Sequence[Object]
    paths: Sequence[Object]
    distinguished_by: str = "ByUser"


def _resources(verbs: str, group: str, plurals: str, *, cluster: bool) -> Object:
    rule: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": plurals.split()}
    return rule | ({"clusterScope": True} if cluster else {}) | {"namespaces": ["*"]}


_ANY_RESOURCE = (_resources("*", "*", "*", cluster=True),)
_ANY_PATH = ({"verbs": ["*"], "nonResourceURLs": ["*"]},)
_PROBES = ({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]},)
_LEASES = "coordination.k8s.io"
_EVERYBODY = ("group:system:unauthenticated", "group:system:authenticated")
_NODES = ("group:system:nodes",)
_MANAGER, _SCHEDULER = "user:system:kube-controller-manager", "user:system:kube-scheduler"
_SYSTEM_ACCOUNTS = "account:kube-system/*"

_SCHEMAS = (
    _Schema("exempt", "exempt", 1, ("group:system:masters",), _ANY_RESOURCE, _ANY_PATH, ""),
    _Schema("probes", "exempt", 2, _EVERYBODY, (), _PROBES, ""),
    _Schema(
        "system-leader-election", "leader-election", 100, (_MANAGER, _SCHEDULER, _SYSTEM_ACCOUNTS),
        (_resources("get create update", _LEASES, "leases", cluster=False),), (),
    ),
    _Schema(
        "system-node-high", "node-high", 400, _NODES,
        (_resources("*", "", "nodes nodes/status", cluster=True), _resources("*", _LEASES, "leases", cluster=False)),
        (),
    ),
    _Schema("system-nodes", "system", 500, _NODES, _ANY_RESOURCE, _ANY_PATH),
    _Schema(
        "kube-controller-manager", "workload-high", 800, (_MANAGER,), _ANY_RESOURCE, _ANY_PATH, "ByNamespace",
    ),
    _Schema("kube-scheduler", "workload-high", 800, (_SCHEDULER,), _ANY_RESOURCE, _ANY_PATH, "ByNamespace"),
    _Schema(
        "kube-system-service-accounts", "workload-high", 900, (_SYSTEM_ACCOUNTS,), _ANY_RESOURCE, _ANY_PATH,
        "ByNamespace",
    ),
    _Schema("service-accounts", "workload-low", 9000, ("group:system:serviceaccounts",), _ANY_RESOURCE, _ANY_PATH),
    _Schema("global-default", "global-default", 9900, _EVERYBODY, _ANY_RESOURCE, _ANY_PATH),
    _Schema("catch-all", "catch-all", 10_000, _EVERYBODY, _ANY_RESOURCE, _ANY_PATH),
)  # fmt: skip


def default_objects() -> Iterator[tuple[Resource, Object]]:
    """The levels, then the schemas that lead to them."""
    exempt: Object = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    yield PRIORITYLEVELCONFIGURATIONS, _object("exempt", exempt)
    for level in _LEVELS:
        yield PRIORITYLEVELCONFIGURATIONS, _object(level.name, _limited(level))
    for schema in _SCHEMAS:
        yield FLOWSCHEMAS, _object(schema.name, _schema_spec(schema))


def _object(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "annotations": dict(_AUTOUPDATE)}, "spec": spec}


def _limited(level: _Level) -> Object:
    response: dict[str, Any] = {"type": "Reject"}
    if level.queues:
        queuing = {"queues": level.queues, "handSize": level.hand_size, "queueLengthLimit": 50}
        response = {"type": "Queue", "queuing": queuing}
    limits = {"nominalConcurrencyShares": level.shares, "lendablePercent": level.lendable_percent}
    return {"type": "Limited", "limited": limits | {"limitResponse": response}}


def _schema_spec(schema: _Schema) -> Object:
    rule: Object = {"subjects": [_subject(text) for text in schema.subjects]}
    rule |= {"resourceRules": list(schema.resources)} if schema.resources else {}
    rule |= {"nonResourceRules": list(schema.paths)} if schema.paths else {}
    spec: Object = {
        "priorityLevelConfiguration": {"name": schema.level},
        "matchingPrecedence": schema.precedence,
        "rules": [rule],
    }
    return spec | ({"distinguisherMethod": {"type": schema.distinguished_by}} if schema.distinguished_by else {})


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "account":
        namespace, _, account = name.partition("/")
        return {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": account}}
    return {"kind": kind.capitalize(), kind: {"name": name}}
