"""Built-in admission and eviction through the API."""

from __future__ import annotations

from typing import Any

from tests.integration.apiserver.conftest import HTTP

DEFAULT = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "x"}], **spec},
    }


async def test_a_new_pod_gets_account_token_tolerations_and_priority(http: HTTP) -> None:
    spec = (await http("POST", f"{DEFAULT}/pods", pod("p"))).body["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert spec["volumes"][0]["name"] == mount["name"]
    assert spec["volumes"][0]["projected"]["defaultMode"] == 420
    assert [(each["key"], each["tolerationSeconds"]) for each in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    ]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")


async def test_no_token_where_it_is_not_wanted_and_no_pod_without_account(http: HTTP) -> None:
    bare = (await http("POST", f"{DEFAULT}/pods", pod("p", automountServiceAccountToken=False))).body["spec"]
    assert "volumes" not in bare
    reply = await http("POST", f"{DEFAULT}/pods", pod("q", serviceAccountName="nobody"))
    assert reply.status == 403
    assert reply.body["message"] == (
        'pods "q" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
    )


async def test_priority_classes(http: HTTP) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert (await http("POST", classes, {"metadata": {"name": "high"}, "value": 1000})).status == 201
    spec = (await http("POST", f"{DEFAULT}/pods", pod("p", priorityClassName="high"))).body["spec"]
    assert spec["priority"] == 1000
    assert (await http("POST", f"{DEFAULT}/pods", pod("q", priorityClassName="none"))).status == 403
    default = {"value": 5, "globalDefault": True}
    assert (await http("POST", classes, {"metadata": {"name": "d1"}, **default})).status == 201
    assert (await http("POST", classes, {"metadata": {"name": "d2"}, **default})).status == 403
    spec = (await http("POST", f"{DEFAULT}/pods", pod("r"))).body["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("d1", 5)


async def test_limit_ranges_fill_in_and_bound(http: HTTP) -> None:
    item = {
        "type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "800m"},
    }  # fmt: skip
    body = {"metadata": {"name": "l"}, "spec": {"limits": [item]}}
    assert (await http("POST", f"{DEFAULT}/limitranges", body)).status == 201
    filled = (await http("POST", f"{DEFAULT}/pods", pod("p"))).body["spec"]["containers"][0]["resources"]
    assert filled == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}
    greedy = pod("q")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1500m"}}
    reply = await http("POST", f"{DEFAULT}/pods", greedy)
    assert reply.status == 403
    assert "maximum cpu usage per Container is 800m, but limit is 1500m" in reply.body["message"]


async def test_quotas(http: HTTP) -> None:
    body = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1", "configmaps": "10"}}}
    assert (await http("POST", f"{DEFAULT}/resourcequotas", body)).status == 201
    assert (await http("POST", f"{DEFAULT}/pods", pod("p"))).status == 201
    reply = await http("POST", f"{DEFAULT}/pods", pod("r"))
    assert reply.body["message"] == (
        'pods "r" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )
    compute = {"metadata": {"name": "c"}, "spec": {"hard": {"limits.cpu": "2"}}}
    await http("DELETE", f"{DEFAULT}/resourcequotas/q")
    await http("POST", f"{DEFAULT}/resourcequotas", compute)
    silent = await http("POST", f"{DEFAULT}/pods", pod("s"))
    assert "failed quota: c: must specify limits.cpu for: c" in silent.body["message"]


async def test_pod_security_labels(http: HTTP) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
    await http("POST", "/api/v1/namespaces", {"metadata": {"name": "safe", "labels": labels}})
    bad = await http("POST", "/api/v1/namespaces/safe/pods", pod("p", hostNetwork=True))
    assert bad.status == 403
    assert 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' in bad.body["message"]
    warned = await http("POST", "/api/v1/namespaces/safe/pods", pod("q"))
    assert warned.status == 201
    assert 'would violate PodSecurity \\"restricted:latest\\"' in warned.headers["Warning"]


async def test_evictions_ask_the_budget(http: HTTP) -> None:
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    assert (await http("POST", budgets, budget)).status == 201
    for name in ("p", "q"):
        await http("POST", f"{DEFAULT}/pods", pod(name, nodeName="n1"))
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await http("PATCH", f"{DEFAULT}/pods/{name}/status", {"status": ready}, Content_Type=MERGE)
    eviction = {"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 0}}
    early = await http("POST", f"{DEFAULT}/pods/p/eviction", eviction)
    assert early.status == 429
    status = {
        "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
    }  # fmt: skip
    assert (await http("PATCH", f"{budgets}/b/status", {"status": status}, Content_Type=MERGE)).status == 200
    assert (await http("POST", f"{DEFAULT}/pods/p/eviction", eviction)).status == 201
    assert (await http("GET", f"{DEFAULT}/pods/p")).status == 404
    spent = await http("POST", f"{DEFAULT}/pods/q/eviction", {"metadata": {"name": "q"}})
    assert spent.status == 429
    assert "needs 1 healthy pods and has 2 currently" in spent.body["details"]["causes"][0]["message"]
