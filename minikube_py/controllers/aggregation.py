"""ClusterRoles made of others: the rules of every role that their ``aggregationRule`` selects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.api.meta import key_of, labels_of, name_of
from minikube_py.api.resources import CLUSTERROLES
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of the matching roles, selector by selector, each rule once."""
    found: list[Object] = []
    ordered = sorted(roles, key=name_of)
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        parsed = label_selector_of(selector)
        for other in ordered:
            if name_of(other) != name_of(role) and parsed.matches(labels_of(other)):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found


class ClusterRoleAggregationController(Controller):
    """One key per aggregated role; any role's change concerns them all."""

    name = "clusterrole-aggregation-controller"
    account = "clusterrole-aggregation-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._roles = self.follow(CLUSTERROLES, lambda _role: self._aggregated())

    async def reconcile(self, key: ObjectKey) -> None:
        role = self._roles.get(*key)
        if role is None or not role.get("aggregationRule"):
            return
        rules = aggregated_rules(role, self._roles.list())
        if rules != (role.get("rules") or []):
            await self.writes.update(CLUSTERROLES, role | {"rules": rules})

    def _aggregated(self) -> Sequence[ObjectKey]:
        return [key_of(role) for role in self._roles.list() if role.get("aggregationRule")]
