"""The order in which StatefulSets do things."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from minikube_py.api.types import Object
from minikube_py.controllers.statefulset.identity import claim_owners, claims_for, new_pod
from minikube_py.controllers.statefulset.plan import Actions, Revisions, plan_actions, plan_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAME, CHANGED = Revisions("old", "old"), Revisions("old", "new")
READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"}]


def sts(replicas: int = 3, status: Object | None = None, **spec: Any) -> Object:
    rolling = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}
    return {
        "metadata": {"name": "db", "namespace": "default", "uid": "db"},
        "spec": {"replicas": replicas, "serviceName": "db"} | rolling | spec,
        "status": status or {},
    }


def pod(ordinal: int, *, revision: str = "old", ready: bool = True, phase: str = "Running", **meta: Any) -> Object:
    labels = {"controller-revision-hash": revision}
    return {
        "metadata": {"name": f"db-{ordinal}", "uid": f"{ordinal}", "labels": labels} | meta,
        "status": {"phase": phase, "conditions": READY if ready else []},
    }


GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def plan(target: Object, *pods: Object, revisions: Revisions = SAME) -> tuple[list[int], list[str]]:
    actions = plan_actions(target, pods, revisions, NOW)
    return summary(actions)


def summary(actions: Actions) -> tuple[list[int], list[str]]:
    return [ordinal for ordinal, _ in actions.create], [entry["metadata"]["name"] for entry in actions.delete]


def test_up_one_by_one() -> None:
    assert plan(sts()) == ([0], [])
    assert plan(sts(), pod(0, ready=False)) == ([], [])
    assert plan(sts(), pod(0)) == ([1], [])
    assert plan(sts(), pod(0), pod(2)) == ([1], [])


def test_parallel_sets_do_not_wait() -> None:
    parallel = {"podManagementPolicy": "Parallel"}
    assert plan(sts(**parallel), pod(1, ready=False)) == ([0, 2], [])
    assert plan(sts(1, **parallel), pod(0), pod(1), pod(2)) == ([], ["db-2", "db-1"])


def test_down_from_the_top_one_by_one() -> None:
    assert plan(sts(1), pod(0), pod(1), pod(2)) == ([], ["db-2"])
    assert plan(sts(1), pod(0), pod(1), pod(2, **GOING)) == ([], [])


def test_down_waits_for_what_is_not_well() -> None:
    """All are unwell: the highest may not go before the lower ones are well; the lowest unwell one may."""
    assert plan(sts(0), pod(0, ready=False), pod(1, ready=False), pod(2, ready=False)) == ([], [])
    assert plan(sts(0), pod(0), pod(1), pod(2, ready=False)) == ([], ["db-2"])
    assert plan(sts(0), pod(0, ready=False), pod(1), pod(2)) == ([], ["db-2"])


def test_failed_pods_are_made_again() -> None:
    assert plan(sts(1), pod(0, phase="Failed", ready=False)) == ([], ["db-0"])


def test_updates_go_from_the_top_and_wait() -> None:
    old = [pod(0), pod(1), pod(2)]
    assert plan(sts(), *old, revisions=CHANGED) == ([], ["db-2"])
    assert plan(sts(), pod(0), pod(1), revisions=CHANGED) == ([2], [])
    half = [pod(0), pod(1), pod(2, revision="new", ready=False)]
    assert plan(sts(), *half, revisions=CHANGED) == ([], [])
    assert plan(sts(), pod(0), pod(1), pod(2, revision="new"), revisions=CHANGED) == ([], ["db-1"])


def test_partitions_and_on_delete_hold_back() -> None:
    old = [pod(0), pod(1), pod(2)]
    held = sts(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 3}})
    assert plan(held, *old, revisions=CHANGED) == ([], [])
    assert plan_actions(held, old[1:], CHANGED, NOW).create == [(0, "old")]
    manual = sts(updateStrategy={"type": "OnDelete"})
    assert plan(manual, *old, revisions=CHANGED) == ([], [])
    assert plan_actions(manual, old[1:], CHANGED, NOW).create == [(0, "new")]


def test_several_may_be_out_at_once() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    target = sts(4, podManagementPolicy="Parallel", updateStrategy=strategy)
    assert plan(target, *(pod(n) for n in range(4)), revisions=CHANGED) == ([], ["db-3", "db-2"])


def test_ordinals_may_start_anywhere() -> None:
    assert plan(sts(2, ordinals={"start": 5}), pod(5)) == ([6], [])


def test_the_update_is_over_when_all_are_new() -> None:
    status = plan_status(sts(1), [pod(0, revision="new")], CHANGED, NOW, 0)
    assert (status["currentRevision"], status["currentReplicas"], status["updatedReplicas"]) == ("new", 1, 1)
    halfway = plan_status(sts(2), [pod(0), pod(1, revision="new")], CHANGED, NOW, 0)
    assert (halfway["currentRevision"], halfway["currentReplicas"], halfway["updatedReplicas"]) == ("old", 1, 1)


CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def test_names_and_claims_go_together() -> None:
    target = sts(volumeClaimTemplates=[CLAIM])
    made = new_pod(target, 1, {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}}, "r")
    assert made["metadata"]["name"] == "db-1"
    assert made["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}]
    assert made["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert claims_for(target, 1)[0]["metadata"]["name"] == "data-db-1"


def test_who_owns_a_claim() -> None:
    both = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}}
    target, claim = sts(**both), {"metadata": {"name": "data-db-1"}}
    assert [ref["kind"] for ref in claim_owners(target, claim, pod(1), condemned=False)] == ["StatefulSet"]
    assert [ref["kind"] for ref in claim_owners(target, claim, pod(1), condemned=True)] == ["Pod"]
    assert claim_owners(sts(), claim, pod(1), condemned=True) == []
