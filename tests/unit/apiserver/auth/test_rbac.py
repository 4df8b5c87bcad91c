"""Grants from roles and bindings, and that they follow every change."""

from __future__ import annotations

from typing import Any

from apiserver.auth.access import Access
from apiserver.auth.identity import Identity, service_account_name
from apiserver.auth.rbac import RBAC
from apiserver.store.store import Store
from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES

LIST_PODS = Access("list", resource="pods", namespace="a")


def role(name: str, *resources: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    rules = [{"verbs": ["list"], "apiGroups": [""], "resources": list(resources)}] if resources else []
    return {"metadata": {"name": name, "labels": labels or {}}, "rules": rules, **more}


def binding(name: str, kind: str, subject: dict[str, str], namespace: str = "") -> dict[str, Any]:
    meta = {"name": f"b-{name}"} | ({"namespace": namespace} if namespace else {})
    return {"metadata": meta, "roleRef": {"kind": kind, "name": name}, "subjects": [subject]}


def test_a_cluster_role_bound_in_a_namespace_holds_there_only() -> None:
    store = Store()
    rbac = RBAC(store)
    store.collection(CLUSTERROLES).create(role("r", "pods"))
    stored = store.collection(ROLEBINDINGS).create(binding("r", "ClusterRole", {"kind": "User", "name": "u"}, "a"))
    user = Identity("u")
    assert rbac.decide(user, LIST_PODS).allowed
    assert not rbac.decide(user, Access("list", resource="pods", namespace="b")).allowed
    assert not rbac.decide(user, Access("list", resource="pods")).allowed
    assert not rbac.decide(Identity("v"), LIST_PODS).allowed
    store.collection(ROLEBINDINGS).delete(stored)
    assert not rbac.decide(user, LIST_PODS).allowed, "a withdrawn grant is withdrawn at once"


def test_groups_and_service_accounts_are_subjects() -> None:
    store = Store()
    rbac = RBAC(store)
    store.collection(CLUSTERROLES).create(role("r", "pods"))
    store.collection(ROLES).create({**role("q", "pods"), "metadata": {"name": "q", "namespace": "a"}})
    store.collection(CLUSTERROLEBINDINGS).create(binding("r", "ClusterRole", {"kind": "Group", "name": "g"}))
    account = {"kind": "ServiceAccount", "name": "bot", "namespace": "x"}
    store.collection(ROLEBINDINGS).create(binding("q", "Role", account, "a"))
    assert rbac.decide(Identity("u", ("g",)), Access("list", resource="pods")).allowed
    assert rbac.decide(Identity(service_account_name("x", "bot")), LIST_PODS).allowed
    assert not rbac.decide(Identity(service_account_name("y", "bot")), LIST_PODS).allowed


def test_aggregation_follows_labels_through_levels_and_circles() -> None:
    store = Store()
    rbac = RBAC(store)

    def aggregate(label: str) -> dict[str, Any]:
        return {"clusterRoleSelectors": [{"matchLabels": {label: "yes"}}]}

    roles = store.collection(CLUSTERROLES)
    roles.create(role("outer", aggregationRule=aggregate("to-outer"), labels={"to-inner": "yes"}))
    roles.create(role("inner", aggregationRule=aggregate("to-inner"), labels={"to-outer": "yes"}))
    roles.create(role("part", "pods", labels={"to-inner": "yes"}))
    store.collection(CLUSTERROLEBINDINGS).create(binding("outer", "ClusterRole", {"kind": "User", "name": "u"}))
    assert rbac.decide(Identity("u"), LIST_PODS).allowed
