"""Role-based access control: who holds which rules, found in the stored roles and bindings.

A user's grants are gathered once and kept until a role or binding changes; a decision once made is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.auth.access import Access, Decision
from apiserver.auth.identity import Identity, service_account_name
from apiserver.auth.rules import Rule, allows
from apiserver.store.collection import Collection
from apiserver.store.store import Store
from minikube_py.api.meta import labels_of, name_of
from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object

#: Users whose grants are kept, and decisions kept of each.
_MOST_USERS = 1_000
_MOST_DECISIONS = 4_096


class Grants:
    """What one user holds. ``namespaced`` maps a namespace to rules that hold in it alone."""

    __slots__ = ("cluster", "decisions", "namespaced")

    def __init__(self) -> None:
        self.cluster: list[Rule] = []
        self.namespaced: dict[str, list[Rule]] = {}
        self.decisions: dict[Access, bool] = {}

    def rules(self, namespace: str) -> Iterator[Rule]:
        """The rules that hold in a namespace ("" for what is cluster-scoped)."""
        yield from self.cluster
        if namespace:
            yield from self.namespaced.get(namespace, ())

    def allow(self, access: Access) -> bool:
        """Whether any rule allows it."""
        known = self.decisions.get(access)
        if known is None:
            if len(self.decisions) >= _MOST_DECISIONS:
                self.decisions.clear()
            known = self.decisions[access] = any(allows(rule, access) for rule in self.rules(access.namespace))
        return known


class RBAC:
    """The RBAC authorizer over the store's roles and bindings."""

    def __init__(self, store: Store) -> None:
        self._roles = store.collection(ROLES)
        self._cluster_roles = store.collection(CLUSTERROLES)
        self._bindings = store.collection(ROLEBINDINGS)
        self._cluster_bindings = store.collection(CLUSTERROLEBINDINGS)
        self._grants: dict[tuple[str, tuple[str, ...]], Grants] = {}
        self._seen: tuple[int, ...] = ()

    def decide(self, user: Identity, access: Access) -> Decision:
        """See ``Authorizer``."""
        return Decision(self.grants(user).allow(access))

    def grants(self, user: Identity) -> Grants:
        """Everything the user holds."""
        collections = (self._roles, self._cluster_roles, self._bindings, self._cluster_bindings)
        state = tuple(collection.changed for collection in collections)
        if state != self._seen or len(self._grants) > _MOST_USERS:
            self._grants.clear()
            self._seen = state
        key = (user.name, tuple(user.groups))
        found = self._grants.get(key)
        if found is None:
            found = self._grants[key] = self._gather(user)
        return found

    def _gather(self, user: Identity) -> Grants:
        grants = Grants()
        for _, binding in _objects(self._cluster_bindings):
            if _is_subject(user, binding, ""):
                grants.cluster.extend(self.role_rules(binding["roleRef"], ""))
        for namespace, binding in _objects(self._bindings):
            if _is_subject(user, binding, namespace):
                rules = self.role_rules(binding["roleRef"], namespace)
                grants.namespaced.setdefault(namespace, []).extend(rules)
        return grants

    def role_rules(self, reference: Object, namespace: str) -> list[Rule]:
        """The rules of the role that a binding in ``namespace`` refers to; none where it is not there."""
        if reference.get("kind") == "ClusterRole":
            stored = self._cluster_roles.get("", reference.get("name") or "")
        else:
            stored = self._roles.get(namespace, reference.get("name") or "")
        return self.rules_of(stored.load()) if stored is not None else []

    def rules_of(self, role: Object, seen: frozenset[str] = frozenset()) -> list[Rule]:
        """A role's rules, with those of the roles it aggregates. ``seen`` are the roles on the way, against circles."""
        rules: list[Rule] = list(role.get("rules") or ())
        seen |= {name_of(role)}
        for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            matches = label_selector_of(selector).matches
            for _, other in _objects(self._cluster_roles):
                if matches(labels_of(other)) and name_of(other) not in seen:
                    rules += [rule for rule in self.rules_of(other, seen) if rule not in rules]
        return rules


def _objects(collection: Collection) -> Iterable[tuple[str, Object]]:
    return ((stored.namespace, stored.load()) for stored in collection.everything())


def _is_subject(user: Identity, binding: Object, namespace: str) -> bool:
    return any(_matches(user, subject, namespace) for subject in binding.get("subjects") or ())


def _matches(user: Identity, subject: dict[str, Any], namespace: str) -> bool:
    name = subject.get("name") or ""
    match subject.get("kind"):
        case "User":
            return user.name == name
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            return user.name == service_account_name(subject.get("namespace") or namespace, name)
    return False
