"""Every controller by what its pods do: who started when, what was written, who answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py.api.errors import Forbidden, TooManyRequests
from minikube_py.api.meta import condition_is_true, find_condition, name_of, uid_of
from minikube_py.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    JOBS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SERVICES,
    STATEFULSETS,
)
from minikube_py.api.types import Object
from tests.support.field import Field
from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

STAY = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "minik.local/host", "command": ["bash", "-c", script], **more}


def echo(**more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "minik.local/echo", "ports": [{"containerPort": 8080}], **more}


def template(label: str, container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    full = {"terminationGracePeriodSeconds": 2, "containers": [container], **spec}
    return {"metadata": {"labels": {"app": label}}, "spec": full}


def workload(kind: str, name: str, container: dict[str, Any], pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    selector: dict[str, Any] = {"app": name} if version == "v1" else {"matchLabels": {"app": name}}
    full = {"selector": selector, "template": template(name, container, **pod), **spec}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": full}


def job(name: str, script: str, *, policy: str = "Never", **spec: Any) -> dict[str, Any]:
    pods = template(name, shell(script), restartPolicy=policy)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": pods, **spec}}


def service(name: str, **spec: Any) -> dict[str, Any]:
    full = {"ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": full}


def budget(name: str, available: int) -> dict[str, Any]:
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}


def objects() -> list[dict[str, Any]]:
    """Everything at once."""
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "apart"}}}
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    whoami = f'curl -sS --cacert {TOKEN}/ca.crt -H "Authorization: Bearer $(cat {TOKEN}/token)" '
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    url = "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/selfsubjectreviews"
    whoami += f"-H 'Content-Type: application/json' -d '{json.dumps(review)}' {url}"
    return [
        workload("ReplicationController", "rc", echo(), {}, replicas=2),
        workload("StatefulSet", "set", shell(STAY), {}, replicas=3, serviceName="set"),
        service("set", clusterIP="None", selector={"app": "set"}),
        workload("DaemonSet", "daemon", shell(f"echo $NODE; {STAY}", env=[_node_name()]), {}),
        workload("Deployment", "recreate", shell(STAY), {}, replicas=2, strategy={"type": "Recreate"}),
        workload("Deployment", "guarded", echo(), {}, replicas=2),
        budget("guarded", 2),
        workload("Deployment", "apart", shell(STAY), {"affinity": {"podAntiAffinity": _required(apart)}}, replicas=4),
        service("byhand"),
        job("many", "echo done", completions=4, parallelism=2),
        job("indexed", "echo $JOB_COMPLETION_INDEX", completions=3, parallelism=3, completionMode="Indexed"),
        job("retried", "[ -e /dev/shm/x ] || { touch /dev/shm/x; exit 3; }; echo again", policy="OnFailure"),
        job("refused", "exit 42", backoffLimit=9, podFailurePolicy={"rules": rules}),
        job("hopeless", "exit 1", backoffLimit=0),
        job("brief", "true", ttlSecondsAfterFinished=0),
        job("held", "echo let go", suspend=True),
        job("whoami", whoami),
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "quota"},
            "spec": {"hard": {"count/configmaps": "3"}},
        },
    ]


def _node_name() -> dict[str, Any]:
    return {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}


def _required(term: dict[str, Any]) -> dict[str, Any]:
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def started(pod: Object) -> str:
    running = pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running") or {}
    return str(running.get("startedAt", ""))


async def ready_pods(field: Field, label: str, count: int) -> list[Object]:
    async def look() -> list[Object]:
        found = [pod for pod in await field.pods(f"app={label}") if "deletionTimestamp" not in pod["metadata"]]
        ready = [pod for pod in found if condition_is_true(pod["status"].get("conditions"), "Ready")]
        return ready if len(ready) == count == len(found) else []

    return await field.until(look, what=f"{count} ready pods of {label}")


async def ended(field: Field, name: str, kind: str) -> Object:
    async def look() -> Object | None:
        found = await field.get(JOBS, name)
        return found if condition_is_true((found.get("status") or {}).get("conditions"), kind) else None

    return await field.until(look, what=f"job {name} to be {kind}")


async def logs_of(field: Field, label: str) -> list[str]:
    return sorted([(await field.log(name_of(pod))).strip() for pod in await field.pods(f"app={label}")])


async def test_a_replication_controller_replaces_what_is_deleted(field: Field) -> None:
    before = {uid_of(pod) for pod in await ready_pods(field, "rc", 2)}
    await field.client.delete(PODS, name_of((await field.pods("app=rc"))[0]), field.namespace)
    after = {uid_of(pod) for pod in await ready_pods(field, "rc", 2)}
    assert len(before & after) == 1
    await field.client.patch(REPLICATIONCONTROLLERS, "rc", {"spec": {"replicas": 0}}, field.namespace)

    async def none() -> bool:
        return not await field.pods("app=rc")

    await field.until(none, what="the end of the pods")


async def test_a_stateful_set_starts_in_order_has_names_and_shrinks_from_the_end(
    field: Field, cluster: MinikCluster
) -> None:
    pods = {name_of(pod): pod for pod in await ready_pods(field, "set", 3)}
    assert sorted(pods) == ["set-0", "set-1", "set-2"]
    assert started(pods["set-0"]) <= started(pods["set-1"]) <= started(pods["set-2"])
    found = cluster.exec("set-0", "getent", "hosts", "set-2.set", namespace=field.namespace)
    assert found.split()[0] == pods["set-2"]["status"]["podIP"]
    await field.client.delete(PODS, "set-1", field.namespace)

    async def again() -> bool:
        return uid_of(await field.get(PODS, "set-1")) != uid_of(pods["set-1"])

    await field.until(again, what="another set-1")
    await ready_pods(field, "set", 3)
    await field.client.patch(STATEFULSETS, "set", {"spec": {"replicas": 1}}, field.namespace)
    assert [name_of(pod) for pod in await ready_pods(field, "set", 1)] == ["set-0"]


async def test_a_daemon_runs_on_every_node(field: Field, cluster: MinikCluster) -> None:
    await ready_pods(field, "daemon", 3)
    assert await logs_of(field, "daemon") == sorted(node["metadata"]["name"] for node in cluster.get("nodes")["items"])


async def test_recreate_ends_the_old_pods_before_it_starts_new_ones(field: Field) -> None:
    await ready_pods(field, "recreate", 2)
    changed = {"spec": {"template": {"spec": {"containers": [shell(f"echo new; {STAY}")]}}}}
    since = (await field.client.list(PODS, field.namespace)).resource_version
    await field.client.patch(DEPLOYMENTS, "recreate", changed, field.namespace)
    there: dict[str, set[str]] = {}
    async for event in field.client.watch(
        PODS, field.namespace, resource_version=since, label_selector="app=recreate", timeout_seconds=60
    ):
        version = event.object["metadata"]["labels"]["pod-template-hash"]
        pods = there.setdefault(version, set())
        (pods.discard if event.type == "DELETED" else pods.add)(uid_of(event.object))
        assert sum(1 for each in there.values() if each) <= 1, "old and new at once"
        if len(there) == 2 and len(pods) == 2:
            break
    for pod in await ready_pods(field, "recreate", 2):
        await field.until_log(name_of(pod), "new")


async def test_a_budget_refuses_an_eviction(field: Field) -> None:
    pods = await ready_pods(field, "guarded", 2)
    name = name_of(pods[0])
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    with pytest.raises(TooManyRequests, match="disruption budget"):
        await field.client.create(PODS, eviction, field.namespace, name=name, subresource="eviction")
    await field.client.patch(DEPLOYMENTS, "guarded", {"spec": {"replicas": 3}}, field.namespace)
    await ready_pods(field, "guarded", 3)

    async def evicted() -> bool:
        await field.client.create(PODS, eviction, field.namespace, name=name, subresource="eviction")
        return True

    await field.until(evicted, what="the eviction to be granted")
    await field.until_gone(PODS, name)


async def test_what_keeps_apart_is_on_nodes_of_its_own_and_the_last_is_told_why_it_waits(field: Field) -> None:
    async def look() -> list[Object]:
        pods = await field.pods("app=apart")
        return pods if sum(1 for pod in pods if pod["spec"].get("nodeName")) == 3 and len(pods) == 4 else []

    pods = await field.until(look, what="three of four pods to be placed")
    assert len({pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")}) == 3
    (waiting,) = [pod for pod in pods if not pod["spec"].get("nodeName")]

    async def told() -> str:
        status = (await field.get(PODS, name_of(waiting)))["status"]
        return str((find_condition(status.get("conditions"), "PodScheduled") or {}).get("message") or "")

    message = await field.until(told, what="the reason")
    assert message.startswith("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.")


async def test_hand_made_endpoints_answer(field: Field, cluster: MinikCluster) -> None:
    target = (await ready_pods(field, "guarded", 3))[0]
    subset = {"addresses": [{"ip": target["status"]["podIP"]}], "ports": [{"port": 8080}]}
    await field.client.create(
        ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "byhand"}, "subsets": [subset]},
        field.namespace,
    )  # fmt: skip
    address = (await field.get(SERVICES, "byhand"))["spec"]["clusterIP"]
    await ready_pods(field, "set", 1)

    async def answered() -> bool:
        ask = ("curl", "-sS", "--max-time", "2", f"http://{address}/hostname")
        return cluster.exec("set-0", *ask, namespace=field.namespace, check=False).strip() == name_of(target)

    await field.until(answered, what="an answer by way of the mirrored slice")


async def test_jobs_run_to_completion(field: Field) -> None:
    assert (await ended(field, "many", "Complete"))["status"]["succeeded"] == 4
    assert await logs_of(field, "many") == ["done"] * 4
    await ended(field, "indexed", "Complete")
    assert await logs_of(field, "indexed") == ["0", "1", "2"]
    await ended(field, "retried", "Complete")
    (pod,) = await field.pods("app=retried")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert await field.log(name_of(pod)) == "again\n"


async def test_jobs_that_fail_say_why(field: Field) -> None:
    reasons = {"refused": "PodFailurePolicy", "hopeless": "BackoffLimitExceeded"}
    for name, reason in reasons.items():
        failed = await ended(field, name, "Failed")
        assert (find_condition(failed["status"]["conditions"], "Failed") or {})["reason"] == reason
        assert len(await field.pods(f"app={name}")) == 1


async def test_jobs_wait_and_go(field: Field) -> None:
    await field.until_gone(JOBS, "brief")
    assert await field.pods("app=held") == []
    await field.client.patch(JOBS, "held", {"spec": {"suspend": False}}, field.namespace)
    await ended(field, "held", "Complete")
    assert await logs_of(field, "held") == ["let go"]


async def test_a_pod_is_somebody_to_the_api_server(field: Field) -> None:
    await ended(field, "whoami", "Complete")
    (text,) = await logs_of(field, "whoami")
    info = json.loads(text)["status"]["userInfo"]
    assert info["username"] == f"system:serviceaccount:{field.namespace}:default"


async def test_a_quota_counts_and_refuses(field: Field) -> None:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "counted-"}}

    async def counted() -> bool:  # the root CA's ConfigMap is the first
        return (await field.get(RESOURCEQUOTAS, "quota")).get("status", {}).get("used") == {"count/configmaps": "1"}

    await field.until(counted, what="the quota to be counted")
    for _ in range(2):
        await field.client.create(CONFIGMAPS, made, field.namespace)
    with pytest.raises(Forbidden, match="exceeded quota: quota"):
        await field.client.create(CONFIGMAPS, made, field.namespace)


async def test_the_pods_go_with_their_deployment(field: Field) -> None:
    await field.client.delete(DEPLOYMENTS, "guarded", field.namespace, propagation="Foreground")
    await field.until_gone(DEPLOYMENTS, "guarded")
    assert await field.pods("app=guarded") == []
