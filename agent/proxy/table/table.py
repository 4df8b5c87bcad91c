"""The routing table itself: keeps the routes of every Service and says what a change of one object changes in them.

One event touches one Service: its routes are built anew by the pure function and compared with the last ones. Two
Services that claim the same address and port are settled by age (then by name), and the loser takes over when the
winner goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.proxy.table.build import local_ready_endpoints, routes_of
from agent.proxy.table.views import Node, Service, Slice
from minikube_py.api.meta import key_of, labels_of, name_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.dataplane.model import Changes, Frontend, Route


class RoutingTable:
    """All routes of one node. Not safe for use from several threads."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._services: dict[ObjectKey, Service] = {}
        self._slices: dict[ObjectKey, dict[str, Slice]] = {}
        self._slice_owners: dict[ObjectKey, ObjectKey] = {}
        self._by_service: dict[ObjectKey, dict[Frontend, Route]] = {}
        self._claims: dict[Frontend, set[ObjectKey]] = {}
        self._routes: dict[Frontend, Route] = {}

    @property
    def node(self) -> Node:
        """This node, with the zone it was last seen in."""
        return self._node

    @property
    def routes(self) -> Mapping[Frontend, Route]:
        """Every front end with the route in force."""
        return self._routes

    def shadowed(self) -> list[Route]:
        """Routes that lost their front end to an older Service."""
        return [
            self._by_service[key][frontend]
            for frontend, claimants in self._claims.items()
            if len(claimants) > 1
            for key in claimants
            if self._routes[frontend].port.service != key
        ]

    def health_checks(self) -> dict[int, tuple[ObjectKey, int]]:
        """Health check node ports with their Service and the number of ready endpoints on this node."""
        found: dict[int, tuple[ObjectKey, int]] = {}
        for key, service in sorted(self._services.items(), key=lambda item: _seniority(item[1])):
            if service.health_check_node_port:
                count = local_ready_endpoints(service, self._slices_of(key), node=self._node)
                found.setdefault(service.health_check_node_port, (key, count))
        return found

    def service_changed(self, old: Object | None, new: Object | None) -> Changes:
        """A Service was added, changed or (``new`` is None) deleted."""
        obj = new or old
        if obj is None:
            return {}
        key = key_of(obj)
        view = Service.from_object(new) if new else None
        if view == self._services.get(key):
            return {}
        return self._reclaim(key, lambda: self._put_service(key, view))

    def slice_changed(self, old: Object | None, new: Object | None) -> Changes:
        """An EndpointSlice was added, changed or (``new`` is None) deleted. It may move to another Service."""
        obj = new or old
        if obj is None:
            return {}
        key = key_of(obj)
        view = Slice.from_object(new) if new else None
        before = self._slice_owners.pop(key, None)
        changes: Changes = {}
        if before is not None and (view is None or view.service != before):
            self._slices[before].pop(key.name)
            changes |= self._refresh(before)
        if view is not None:
            self._slice_owners[key] = view.service
            slices = self._slices.setdefault(view.service, {})
            if slices.get(key.name) != view:
                slices[key.name] = view
                changes |= self._refresh(view.service)
        if before is not None and not self._slices.get(before):
            self._slices.pop(before, None)
        return changes

    def node_changed(self, obj: Object) -> Changes:
        """A Node was seen. Only this one's zone matters, and it matters to every Service."""
        if name_of(obj) != self._node.name:
            return {}
        node = self._node.with_labels(labels_of(obj))
        if node == self._node:
            return {}
        self._node = node
        changes: Changes = {}
        for key in self._services:
            changes |= self._refresh(key)
        return changes

    def _put_service(self, key: ObjectKey, view: Service | None) -> None:
        if view is None:
            self._services.pop(key, None)
        else:
            self._services[key] = view

    def _refresh(self, key: ObjectKey) -> Changes:
        return self._reclaim(key, lambda: None) if key in self._services else {}

    def _reclaim(self, key: ObjectKey, change: Callable[[], None]) -> Changes:
        """Applies ``change`` to one Service and settles every front end it had or has."""
        before = self._by_service.pop(key, {})
        change()
        service = self._services.get(key)
        after = routes_of(service, self._slices_of(key), node=self._node) if service else {}
        if after:
            self._by_service[key] = after
        changes: Changes = {}
        for frontend in before.keys() | after.keys():
            self._claim(key, frontend, held=frontend in after)
            winner = self._winner(frontend)
            if winner == self._routes.get(frontend):
                continue
            changes[frontend] = winner
            if winner is None:
                del self._routes[frontend]
            else:
                self._routes[frontend] = winner
        return changes

    def _claim(self, key: ObjectKey, frontend: Frontend, *, held: bool) -> None:
        claimants = self._claims.setdefault(frontend, set())
        if held:
            claimants.add(key)
            return
        claimants.discard(key)
        if not claimants:
            del self._claims[frontend]

    def _winner(self, frontend: Frontend) -> Route | None:
        claimants = self._claims.get(frontend)
        if not claimants:
            return None
        oldest = min(claimants, key=lambda key: _seniority(self._services[key]))
        return self._by_service[oldest][frontend]

    def _slices_of(self, key: ObjectKey) -> list[Slice]:
        return list(self._slices.get(key, {}).values())


def _seniority(service: Service) -> tuple[str, ObjectKey]:
    return service.created, service.key
