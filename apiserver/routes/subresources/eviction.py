"""``pods/eviction``: a deletion that asks the pod's disruption budget first.

Follows ``pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.refusals import internal, not_found
from apiserver.routes.catalog import Catalog
from apiserver.routes.deleting import Deleter
from apiserver.routes.options import DeleteOptions
from apiserver.routes.writing import Writer, WriteRequest
from minikube_py.api.errors import Cause, Forbidden, TooManyRequests
from minikube_py.api.meta import condition_is_true, format_time, is_deleting, labels_of, name_of
from minikube_py.api.resources import PODDISRUPTIONBUDGETS
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object

_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_SECONDS = 10
_MOST_DISRUPTED = 2000


class Evictor:
    """Evicts pods. Budget and pod change in one step, so that no two evictions spend the same allowance."""

    def __init__(self, *, catalog: Catalog, writer: Writer) -> None:
        self._catalog = catalog
        self._writer = writer
        self._deleter = Deleter(writer)

    def evict(self, request: WriteRequest, options: DeleteOptions) -> None:
        """Evict one pod. Raises NotFound, Conflict, TooManyRequests where the budget forbids it."""
        served = request.served
        present = served.collection.get(request.namespace, request.name)
        if present is None:
            raise not_found(served.resource, request.name)
        pod = served.load(present)
        budget = None if _needs_no_budget(pod) else self._budget_of(pod, request.namespace)
        if budget is not None and not _is_exempt(pod, budget):
            self._spend(request, budget)
        if not request.dry_run:
            self._mark(request)
        self._deleter.delete(request, options)

    def _budget_of(self, pod: Object, namespace: str) -> Object | None:
        budgets = list(_matching(pod, self._writer.reader.list(PODDISRUPTIONBUDGETS, namespace)))
        if len(budgets) > 1:
            raise internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        return budgets[0] if budgets else None

    def _spend(self, request: WriteRequest, budget: Object) -> None:
        """Take one disruption off the budget. Raises TooManyRequests, Forbidden."""
        check_budget(budget)
        if request.dry_run:
            return
        served = self._catalog.of(PODDISRUPTIONBUDGETS)
        present = served.collection.get(request.namespace, name_of(budget))
        assert present is not None  # it was listed in this very step
        status = {**budget["status"], "disruptionsAllowed": budget["status"]["disruptionsAllowed"] - 1}
        disrupted = {**(status.get("disruptedPods") or {}), request.name: format_time(request.now)}
        served.collection.update(present, {**budget, "status": {**status, "disruptedPods": disrupted}})

    def _mark(self, request: WriteRequest) -> None:
        """Say on the pod why it goes."""
        collection = request.served.collection
        present = collection.get(request.namespace, request.name)
        assert present is not None  # evict has seen it in this very step
        pod = present.load()
        if is_deleting(pod):
            return
        condition = {
            "type": "DisruptionTarget", "status": "True", "lastProbeTime": None,
            "lastTransitionTime": format_time(request.now), "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }  # fmt: skip
        status = pod.setdefault("status", {})
        others = [each for each in status.get("conditions") or () if each.get("type") != "DisruptionTarget"]
        status["conditions"] = [*others, condition]
        collection.update(present, pod)


def _matching(pod: Object, budgets: Iterable[Object]) -> Iterator[Object]:
    for budget in budgets:
        selector = (budget.get("spec") or {}).get("selector")
        if label_selector_of(selector).matches(labels_of(pod)):
            yield budget


def _needs_no_budget(pod: Object) -> bool:
    """A pod that has ended, has not begun or is going disturbs nobody."""
    return is_deleting(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Pending")


def _is_exempt(pod: Object, budget: Object) -> bool:
    """An unready pod may go where the budget is met without it (KEP-3017)."""
    if condition_is_true((pod.get("status") or {}).get("conditions"), "Ready"):
        return False
    spec, status = budget.get("spec") or {}, budget.get("status") or {}
    if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = status.get("desiredHealthy") or 0
    return bool(desired > 0 and (status.get("currentHealthy") or 0) >= desired)


def check_budget(budget: Object) -> None:
    """Whether the budget allows one more disruption. Raises TooManyRequests, Forbidden."""
    status, name = budget.get("status") or {}, name_of(budget)
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        cause = Cause("DisruptionBudget", f"The disruption budget {name} is still being processed by the server.")
        raise TooManyRequests(_REFUSAL, causes=[cause], retry_after_seconds=_RETRY_SECONDS)
    allowed = status.get("disruptionsAllowed") or 0
    if allowed < 0:
        raise Forbidden(f'poddisruptionbudgets.policy "{name}" is forbidden: pdb disruptions allowed is negative')
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        raise Forbidden(f'poddisruptionbudgets.policy "{name}" is forbidden: DisruptedPods map too big')
    if allowed == 0:
        needed, have = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
        text = f"The disruption budget {name} needs {needed} healthy pods and has {have} currently"
        raise TooManyRequests(_REFUSAL, causes=[Cause("DisruptionBudget", text)])
