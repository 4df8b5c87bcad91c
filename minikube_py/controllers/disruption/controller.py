"""Keeps the status of PodDisruptionBudgets."""

from __future__ import annotations

from minikube_py.api.meta import controller_of, key_of, labels_of, namespace_of, uid_of
from minikube_py.api.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from minikube_py.api.selectors import LabelSelector, label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.disruption.plan import failed_status, needs_scale, plan_status, still_disrupted


class UnknownScale(Exception):
    """A pod has no controller that says how many there should be."""


class DisruptionController(Controller):
    """One key per PodDisruptionBudget."""

    name = "controllermanager"
    account = "disruption-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._budgets = self.follow(PODDISRUPTIONBUDGETS)
        self._pods = context.informers.of(PODS)
        self._scales = {
            resource.kind: context.informers.of(resource)
            for resource in (DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS)
        }
        for informer in (self._budgets, self._pods):
            ownership.index_by_namespace(informer)
        self.watch(self._pods, self._budgets_of_pod)
        for informer in self._scales.values():
            informer.subscribe(self._on_scale)

    async def reconcile(self, key: ObjectKey) -> None:
        budget = self._budgets.get(*key)
        if budget is None:
            return
        selector = _selector(budget)
        pods = [pod for pod in ownership.in_namespace(self._pods, key.namespace) if selector.matches(labels_of(pod))]
        now = self.clock.now()
        try:
            expected = self._expected(budget, pods)
        except UnknownScale as error:
            self.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", str(error))
            await self.writes.update_status(PODDISRUPTIONBUDGETS, budget, failed_status(budget, str(error), now))
            return
        if not pods:
            self.events.event(budget, "Normal", "NoPods", "No matching pods found")
        await self.writes.update_status(PODDISRUPTIONBUDGETS, budget, plan_status(budget, pods, expected, now))
        _, recheck = still_disrupted(budget, pods, now)
        if recheck is not None:
            self.queue.add_after(key, (recheck - now).total_seconds() + 0.1)

    def _expected(self, budget: Object, pods: list[Object]) -> int:
        """The number of pods there should be: the sum over their controllers, each counted once."""
        if not needs_scale(budget):
            return len(pods)
        scales: dict[str, int] = {}
        for pod in pods:
            owner = self._controller(pod)
            if owner is None:
                raise UnknownScale(f'found no controllers for pod "{(pod.get("metadata") or {}).get("name")}"')
            scales[uid_of(owner)] = int((owner.get("spec") or {}).get("replicas") or 0)
        return sum(scales.values())

    def _controller(self, obj: Object) -> Object | None:
        """What scales the pod: its controller, or the Deployment behind its ReplicaSet."""
        reference = controller_of(obj)
        informer = self._scales.get(str(reference.get("kind"))) if reference else None
        owner = informer.get(namespace_of(obj), str(reference.get("name"))) if informer and reference else None
        if owner is None or reference is None or uid_of(owner) != reference.get("uid"):
            return None
        return (self._controller(owner) or owner) if reference.get("kind") == "ReplicaSet" else owner

    def _budgets_of_pod(self, pod: Object) -> list[ObjectKey]:
        return [
            key_of(budget)
            for budget in ownership.in_namespace(self._budgets, namespace_of(pod))
            if _selector(budget).matches(labels_of(pod))
        ]

    def _on_scale(self, old: Object | None, new: Object | None) -> None:
        if (
            old is None
            or new is None
            or (old.get("spec") or {}).get("replicas") == (new.get("spec") or {}).get("replicas")
        ):
            return
        for budget in ownership.in_namespace(self._budgets, namespace_of(new)):
            if needs_scale(budget):
                self.queue.add(key_of(budget))


def _selector(budget: Object) -> LabelSelector:
    return label_selector_of((budget.get("spec") or {}).get("selector"))
