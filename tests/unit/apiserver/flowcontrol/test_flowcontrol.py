"""Which flow a request belongs to, and who gets the last seats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apiserver.auth.identity import ANONYMOUS, AUTHENTICATED, MASTERS, Identity, authenticated
from apiserver.flowcontrol.defaults import default_objects
from apiserver.flowcontrol.levels import SEATS, FlowControl, nominal_seats
from apiserver.routes.request import parse_request
from apiserver.store.store import Store
from minikube_py.api.errors import TooManyRequests
from minikube_py.api.meta import name_of
from minikube_py.api.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS

ADMIN = Identity("admin", (MASTERS, AUTHENTICATED))
NODE = authenticated(Identity("system:node:n", ("system:nodes",)))
JOE = authenticated(Identity("joe"))
PODS = "/api/v1/namespaces/default/pods"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x"


def account(namespace: str, name: str) -> Identity:
    return authenticated(Identity(f"system:serviceaccount:{namespace}:{name}", ("system:serviceaccounts",)))


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store()
    for resource, obj in default_objects():
        uid = f"{resource.kind}/{name_of(obj)}"
        found.collection(resource).create(obj | {"metadata": obj["metadata"] | {"uid": uid}})
    yield found
    found.close()


def control(store: Store) -> FlowControl:
    return FlowControl(store.collection(FLOWSCHEMAS), store.collection(PRIORITYLEVELCONFIGURATIONS))


@pytest.mark.parametrize(
    ("user", "path", "schema", "level"),
    [
        (ADMIN, PODS, "exempt", "exempt"),
        (ANONYMOUS, "/healthz", "probes", "exempt"),
        (JOE, PODS, "global-default", "global-default"),
        (ANONYMOUS, "/version", "global-default", "global-default"),
        (NODE, "/api/v1/nodes/n/status", "system-node-high", "node-high"),
        (NODE, PODS, "system-nodes", "system"),
        (authenticated(Identity("system:kube-scheduler")), LEASE, "system-leader-election", "leader-election"),
        (authenticated(Identity("system:kube-scheduler")), PODS, "kube-scheduler", "workload-high"),
        (account("kube-system", "job-controller"), PODS, "kube-system-service-accounts", "workload-high"),
        (account("default", "default"), PODS, "service-accounts", "workload-low"),
        (Identity("nobody"), PODS, "", "catch-all"),
    ],
)
def test_every_request_has_its_flow(store: Store, user: Identity, path: str, schema: str, level: str) -> None:
    flow = control(store).flow(user, parse_request("GET", path))
    assert flow.level.name == level
    assert f"Flowschema-Uid: FlowSchema/{schema}\r\n".encode() in flow.headers or not schema


def test_seats_are_shared_out_by_shares() -> None:
    levels: list[Any] = [obj for resource, obj in default_objects() if resource is PRIORITYLEVELCONFIGURATIONS]
    seats = nominal_seats(levels)
    assert (seats["exempt"], seats["workload-low"], seats["catch-all"]) == (0, 245, 13)


def test_the_last_seats_are_for_those_whose_they_are(store: Store) -> None:
    flows = control(store)
    everybody = flows.flow(JOE, parse_request("GET", PODS)).level
    node = flows.flow(NODE, parse_request("GET", PODS)).level
    exempt = flows.flow(ADMIN, parse_request("GET", PODS)).level
    for _ in range(SEATS):
        flows.enter(everybody)
    with pytest.raises(TooManyRequests):
        flows.enter(everybody)
    for _ in range(node.seats):
        flows.enter(node)
    with pytest.raises(TooManyRequests):
        flows.enter(node)
    flows.enter(exempt)
    for _ in range(node.seats + 2):
        flows.leave(everybody)
    flows.enter(everybody)


def test_a_change_counts_from_the_next_request_on_and_seats_stay_taken(store: Store) -> None:
    flows, request = control(store), parse_request("GET", PODS)
    level = flows.flow(JOE, request).level
    flows.enter(level)
    schemas = store.collection(FLOWSCHEMAS)
    present = schemas.get("", "global-default")
    assert present is not None
    schemas.delete(present)
    assert flows.flow(JOE, request).level.name == "catch-all"
    levels = {each.name: each for each in flows.levels()}
    assert levels["global-default"] is level
    assert level.taken == 1
