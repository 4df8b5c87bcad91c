"""StatefulSets, DaemonSets, Jobs, CronJobs and what watches over them, on a real API server."""

from __future__ import annotations

from typing import Any

from minikube_py.api.meta import condition_is_true, labels_of, name_of
from minikube_py.api.resources import (
    CLUSTERROLES,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    STATEFULSETS,
    Resource,
)
from minikube_py.api.types import Object
from tests.integration.controllers.conftest import Cluster
from tests.integration.controllers.test_deployments import deployment, rolled_out, set_image_of


def workload(resource: Resource, name: str, *, image: str = "web:1", pod: Object | None = None, **spec: Any) -> Object:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": image}]} | (pod or {}),
    }
    selector = {} if resource in (JOBS,) else {"selector": {"matchLabels": labels}}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template} | selector | spec,
    }


async def status_of(cluster: Cluster, resource: Resource, name: str) -> Object:
    return (await cluster.client.get(resource, name, "default")).get("status") or {}


async def names(cluster: Cluster, selector: str) -> list[str]:
    return sorted(name_of(pod) for pod in await cluster.pods(selector))


# --- StatefulSets


def stateful(**spec: Any) -> Object:
    return workload(STATEFULSETS, "db", serviceName="db", **spec)


async def test_a_stateful_set_counts_up_rolls_and_counts_down(cluster: Cluster) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await cluster.client.create(STATEFULSETS, stateful(replicas=1))

    async def ready(count: int) -> bool:
        status = await status_of(cluster, STATEFULSETS, "db")
        return status.get("readyReplicas", 0) == count == status.get("updatedReplicas", 0)

    await cluster.until(lambda: ready(1))
    await cluster.client.patch(STATEFULSETS, "db", {"spec": {"replicas": 3}}, "default")
    await cluster.until(lambda: ready(3))
    assert await names(cluster, "app=db") == ["db-0", "db-1", "db-2"]
    pod = await cluster.client.get(PODS, "db-1", "default")
    assert labels_of(pod)["apps.kubernetes.io/pod-index"] == "1"
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    await set_image_of(cluster, STATEFULSETS, "db", "web:2")

    async def rolled() -> bool:
        status = await status_of(cluster, STATEFULSETS, "db")
        return status["currentRevision"] == status["updateRevision"] and status["updatedReplicas"] == 3

    async def all_new() -> bool:
        pods = await cluster.pods("app=db")
        return len(pods) == 3 and {pod["spec"]["containers"][0]["image"] for pod in pods} == {"web:2"}

    await cluster.until(all_new)
    await cluster.until(rolled)
    await cluster.client.patch(STATEFULSETS, "db", {"spec": {"replicas": 1}}, "default")

    async def small() -> bool:
        return await names(cluster, "app=db") == ["db-0"]

    await cluster.until(small)
    with_claims = stateful(replicas=1, volumeClaimTemplates=[claim])
    with_claims["metadata"]["name"] = "own"
    await cluster.client.create(STATEFULSETS, with_claims)

    async def claimed() -> bool:
        return [name_of(entry) for entry in await cluster.items(PERSISTENTVOLUMECLAIMS)] == ["data-own-0"]

    await cluster.until(claimed)


async def test_partitions_and_parallel_sets(cluster: Cluster) -> None:
    update = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await cluster.client.create(
        STATEFULSETS, stateful(replicas=4, podManagementPolicy="Parallel", updateStrategy=update)
    )

    async def up() -> bool:
        return (await status_of(cluster, STATEFULSETS, "db")).get("readyReplicas") == 4

    await cluster.until(up)
    await set_image_of(cluster, STATEFULSETS, "db", "web:2")

    async def half() -> bool:
        pods = {name_of(pod): pod["spec"]["containers"][0]["image"] for pod in await cluster.pods("app=db")}
        return pods == {"db-0": "web:1", "db-1": "web:1", "db-2": "web:2", "db-3": "web:2"}

    await cluster.until(half)


# --- DaemonSets


async def test_daemons_follow_the_nodes(cluster: Cluster) -> None:
    await cluster.client.create(DAEMONSETS, workload(DAEMONSETS, "agent"))

    async def everywhere(count: int) -> bool:
        status = await status_of(cluster, DAEMONSETS, "agent")
        return status.get("numberReady") == count == status.get("desiredNumberScheduled")

    await cluster.until(lambda: everywhere(3))
    assert {pod["spec"]["nodeName"] for pod in await cluster.pods("app=agent")} == {"node-1", "node-2", "node-3"}
    await cluster.nodes.add("node-4")
    await cluster.until(lambda: everywhere(4))
    taint = [{"key": "private", "effect": "NoExecute"}]
    await cluster.client.patch(NODES, "node-4", {"spec": {"taints": taint}})
    await cluster.until(lambda: everywhere(3))
    await set_image_of(cluster, DAEMONSETS, "agent", "web:2")

    async def rolled() -> bool:
        pods = await cluster.pods("app=agent")
        return len(pods) == 3 and {pod["spec"]["containers"][0]["image"] for pod in pods} == {"web:2"}

    await cluster.until(rolled)


# --- Jobs

NEVER: Object = {"restartPolicy": "Never"}


async def finished(cluster: Cluster, name: str, kind: str) -> Object | None:
    status = await status_of(cluster, JOBS, name)
    return status if condition_is_true(status.get("conditions"), kind) else None


async def test_a_job_completes(cluster: Cluster) -> None:
    cluster.nodes.ending = {"work": "Succeeded"}
    await cluster.client.create(JOBS, workload(JOBS, "work", pod=NEVER, completions=5, parallelism=2))
    status = await cluster.until(lambda: finished(cluster, "work", "Complete"))
    assert status["succeeded"] == 5
    assert status["completionTime"]
    assert not any(pod["metadata"].get("finalizers") for pod in await cluster.pods("job-name=work"))


async def test_an_indexed_job_has_every_index_once(cluster: Cluster) -> None:
    cluster.nodes.ending = {"work": "Succeeded"}
    job = workload(JOBS, "work", pod=NEVER, completions=4, parallelism=4, completionMode="Indexed")
    await cluster.client.create(JOBS, job)
    status = await cluster.until(lambda: finished(cluster, "work", "Complete"))
    assert status["completedIndexes"] == "0-3"
    pods = await cluster.pods("job-name=work")
    assert sorted(labels_of(pod)["batch.kubernetes.io/job-completion-index"] for pod in pods) == ["0", "1", "2", "3"]


async def test_a_failing_job_gives_up(cluster: Cluster) -> None:
    cluster.nodes.ending = {"bad": "Failed"}
    await cluster.client.create(JOBS, workload(JOBS, "bad", pod=NEVER, backoffLimit=0))
    status = await cluster.until(lambda: finished(cluster, "bad", "Failed"))
    reasons = {entry["type"]: entry["reason"] for entry in status["conditions"]}
    assert reasons == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert status["failed"] == 1


async def test_a_suspended_job_waits_and_a_finished_one_goes(cluster: Cluster) -> None:
    cluster.nodes.ending = {"work": "Succeeded"}
    job = workload(JOBS, "work", pod=NEVER, suspend=True, ttlSecondsAfterFinished=1)
    await cluster.client.create(JOBS, job)

    async def suspended() -> bool:
        return condition_is_true((await status_of(cluster, JOBS, "work")).get("conditions"), "Suspended")

    await cluster.until(suspended)
    assert not await cluster.pods("job-name=work")
    await cluster.client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")
    await cluster.until(lambda: finished(cluster, "work", "Complete"))

    async def gone() -> bool:
        return not await cluster.items(JOBS) and not await cluster.pods("job-name=work")

    await cluster.until(gone)


async def test_a_cron_job_starts_what_is_due(cluster: Cluster) -> None:
    cluster.nodes.ending = {"tick": "Succeeded"}
    template = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web"}]} | NEVER}}}
    meta = {"name": "tick", "namespace": "default"}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta,
        "spec": {"schedule": "@every 1s", "jobTemplate": template, "successfulJobsHistoryLimit": 1},
    }
    await cluster.client.create(CRONJOBS, cron)

    async def ran() -> bool:
        status = await status_of(cluster, CRONJOBS, "tick")
        return bool(status.get("lastScheduleTime") and status.get("lastSuccessfulTime"))

    await cluster.until(ran)
    jobs = await cluster.items(JOBS)
    assert all(name_of(job).startswith("tick-") for job in jobs)


# --- the rest


async def test_replication_controllers(cluster: Cluster) -> None:
    rc = workload(REPLICATIONCONTROLLERS, "old", replicas=2)
    rc["spec"]["selector"] = {"app": "old"}
    await cluster.client.create(REPLICATIONCONTROLLERS, rc)

    async def up() -> bool:
        return (await status_of(cluster, REPLICATIONCONTROLLERS, "old")).get("availableReplicas") == 2

    await cluster.until(up)


async def test_a_budget_counts(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=4))
    await cluster.until(lambda: rolled_out(cluster))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"maxUnavailable": "25%", "selector": {"matchLabels": {"app": "web"}}},
    }
    await cluster.client.create(PODDISRUPTIONBUDGETS, budget)

    async def counted() -> bool:
        status = await status_of(cluster, PODDISRUPTIONBUDGETS, "web")
        numbers = [
            status.get(name) for name in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
        ]
        return numbers == [4, 3, 1, 4]

    await cluster.until(counted)


async def test_a_quota_knows_what_is_used(cluster: Cluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "10", "requests.cpu": "4", "count/deployments.apps": "5"}},
    }
    await cluster.client.create(RESOURCEQUOTAS, quota)

    async def known() -> bool:
        used = (await status_of(cluster, RESOURCEQUOTAS, "q")).get("used")
        return used == {"pods": "0", "requests.cpu": "0", "count/deployments.apps": "0"}

    await cluster.until(known)
    web = deployment(replicas=2)
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m"}}
    await cluster.client.create(DEPLOYMENTS, web)

    async def counted() -> bool:
        used = (await status_of(cluster, RESOURCEQUOTAS, "q")).get("used")
        return used == {"pods": "2", "requests.cpu": "500m", "count/deployments.apps": "1"}

    await cluster.until(counted)


async def test_roles_aggregate(cluster: Cluster) -> None:
    rule = {"apiGroups": [""], "resources": ["widgets"], "verbs": ["get"]}
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    selector = {"matchLabels": {"to": "sum"}}
    await cluster.client.create(
        CLUSTERROLES, head | {"metadata": {"name": "sum"}, "aggregationRule": {"clusterRoleSelectors": [selector]}}
    )
    await cluster.client.create(
        CLUSTERROLES, head | {"metadata": {"name": "part", "labels": {"to": "sum"}}, "rules": [rule]}
    )

    async def summed() -> bool:
        return (await cluster.client.get(CLUSTERROLES, "sum")).get("rules") == [rule]

    await cluster.until(summed)
