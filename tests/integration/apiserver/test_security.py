"""Who may do what: identities x verbs x resources, tokens good and bad, nodes and their neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import HTTP, Server
from tests.support.apiserver import TOKEN

MERGE = "application/merge-patch+json"
DEFAULT = "/api/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def bind(http: HTTP, role: str, *, user: str, namespace: str = "default") -> None:
    body = {
        "metadata": {"name": f"{user}-{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    reply = await http("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", body)
    assert reply.status == 201, reply.body


def pod(name: str, node: str = "", **spec: Any) -> dict[str, Any]:
    found = {"containers": [{"name": "c", "image": "x"}], **spec}
    return {"metadata": {"name": name}, "spec": found | ({"nodeName": node} if node else {})}


@pytest.mark.parametrize(
    ("user", "groups", "method", "path", "allowed"),
    [
        ("nobody", (), "GET", f"{DEFAULT}/pods", False),
        ("nobody", (), "GET", "/api", True),
        ("nobody", (), "GET", "/metrics", False),
        ("viewer", (), "GET", f"{DEFAULT}/pods", True),
        ("viewer", (), "GET", f"{DEFAULT}/secrets", False),
        ("viewer", (), "GET", "/api/v1/namespaces/kube-system/pods", False),
        ("viewer", (), "GET", "/api/v1/pods", False),
        ("viewer", (), "DELETE", f"{DEFAULT}/pods/x", False),
        ("editor", (), "DELETE", f"{DEFAULT}/pods/x", True),
        ("editor", (), "GET", f"{DEFAULT}/secrets", True),
        ("editor", (), "GET", f"{RBAC}/namespaces/default/roles", False),
        ("administrator", (), "GET", f"{RBAC}/namespaces/default/roles", True),
        ("administrator", (), "GET", "/api/v1/nodes", False),
        ("root", ("system:masters",), "GET", "/api/v1/nodes", True),
        ("system:kube-scheduler", (), "GET", "/api/v1/pods", True),
        ("system:kube-scheduler", (), "GET", "/api/v1/secrets", False),
        ("system:kube-scheduler", (), "DELETE", "/api/v1/nodes/x", False),
        ("system:kube-controller-manager", (), "GET", "/apis/apps/v1/deployments", True),
        ("system:kube-controller-manager", (), "DELETE", f"{DEFAULT}/configmaps/x", False),
        ("system:node:n1", ("system:nodes",), "GET", "/api/v1/pods", False),
        ("system:node:n1", ("system:nodes",), "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", True),
        ("system:node:n1", ("system:nodes",), "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", False),
        ("system:node:n1", ("system:nodes",), "GET", "/api/v1/nodes", False),
        ("system:node:n1", ("system:nodes",), "GET", "/api/v1/services", True),
        ("system:node:n1", ("system:nodes",), "GET", "/apis/discovery.k8s.io/v1/endpointslices", True),
        ("system:node:n1", ("system:nodes",), "GET", f"{DEFAULT}/secrets", False),
        ("system:node:n1", ("other",), "GET", "/api/v1/services", False),
    ],
)
async def test_the_table_of_permissions(
    server: Server, user: str, groups: tuple[str, ...], method: str, path: str, allowed: bool
) -> None:
    for name, role in (("viewer", "view"), ("editor", "edit"), ("administrator", "admin")):
        await bind(server.admin, role, user=name)
    reply = await server.as_user(user, *groups)(method, path)
    assert (reply.status != 403) is allowed, reply.body
    if not allowed:
        assert f'User "{user}" cannot' in reply.body["message"]


async def test_anybody_may_see_health_and_version_and_nothing_else(server: Server) -> None:
    http = server.anonymous()
    refused = await http("GET", f"{DEFAULT}/pods")
    assert refused.status == 403
    assert 'User "system:anonymous" cannot list resource "pods"' in refused.body["message"]
    for method, path in (
        ("GET", "/api"),
        ("GET", "/openapi/v3"),
        ("POST", f"{DEFAULT}/configmaps"),
        ("GET", "/metrics"),
    ):
        assert (await http(method, path, {} if method == "POST" else None)).status == 403
    assert (await http("GET", "/version")).status == 200
    assert (await http("GET", "/healthz")).body == "ok"
    for path in ("/livez?verbose", "/readyz?verbose", "/livez/ping"):
        assert (await http("GET", path)).status == 200
    assert (await server.anonymous("wrong")("GET", "/api")).body["message"] == "Unauthorized"


async def test_static_tokens(server: Server) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    reply = await server.anonymous(TOKEN)("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert reply.body["status"]["userInfo"] == {
        "username": "token-user", "uid": "token-uid", "groups": ["group-a", "group-b", "system:authenticated"],
    }  # fmt: skip


async def test_service_account_tokens_end_with_what_they_are_bound_to(server: Server) -> None:
    http = server.admin
    await http("POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "bot"}})
    await http("POST", f"{DEFAULT}/pods", pod("p", "n1", serviceAccountName="bot"))
    request = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}}
    granted = (await http("POST", f"{DEFAULT}/serviceaccounts/bot/token", request)).body["status"]["token"]
    holder = server.anonymous(granted)
    assert (await holder("GET", "/api")).status == 200
    assert (await holder("GET", f"{DEFAULT}/pods")).status == 403
    assert (await server.anonymous(granted[:-3] + "abc")("GET", "/api")).status == 401
    await http("DELETE", f"{DEFAULT}/pods/p", {"gracePeriodSeconds": 0})
    assert (await holder("GET", "/api")).status == 401


async def test_a_token_for_others_is_not_for_us(server: Server) -> None:
    path = f"{DEFAULT}/serviceaccounts/default/token"
    foreign = (await server.admin("POST", path, {"spec": {"audiences": ["vault"]}})).body["status"]["token"]
    assert (await server.anonymous(foreign)("GET", "/api")).status == 401
    review = {"spec": {"token": foreign, "audiences": ["vault"]}}
    reply = await server.admin("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert reply.body["status"]["authenticated"] is True
    assert reply.body["status"]["user"]["username"] == "system:serviceaccount:default:default"
    short = await server.admin("POST", path, {"spec": {"expirationSeconds": 10}})
    assert short.status == 422


async def test_impersonation_needs_its_own_permission(server: Server) -> None:
    await bind(server.admin, "edit", user="editor")
    assert (await server.admin("GET", f"{DEFAULT}/pods", Impersonate_User="editor")).status == 200
    assert (await server.admin("GET", "/api/v1/nodes", Impersonate_User="editor")).status == 403
    refused = await server.as_user("editor")("GET", f"{DEFAULT}/pods", Impersonate_User="root")
    assert refused.status == 403
    assert 'cannot impersonate resource "users"' in refused.body["message"]
    account = "system:serviceaccount:default:default"
    assert (await server.as_user("editor")("GET", "/api", Impersonate_User=account)).status == 200


async def test_nobody_grants_what_they_do_not_hold(server: Server) -> None:
    await bind(server.admin, "admin", user="owner")
    owner = server.as_user("owner")
    roles = f"{RBAC}/namespaces/default/roles"
    fine = {"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}
    assert (await owner("POST", roles, fine)).status == 201
    bad = {"metadata": {"name": "b"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}]}
    reply = await owner("POST", roles, bad)
    assert reply.status == 403
    assert "is attempting to grant RBAC permissions not currently held" in reply.body["message"]
    binding = {
        "metadata": {"name": "all"}, "subjects": [{"kind": "User", "name": "owner"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }  # fmt: skip
    assert (await owner("POST", f"{RBAC}/namespaces/default/rolebindings", binding)).status == 403


async def test_a_node_touches_only_what_is_its_own(server: Server) -> None:
    admin = server.admin
    for name in ("mine", "theirs"):
        await admin("POST", f"{DEFAULT}/secrets", {"metadata": {"name": name}})
    volume = [{"name": "v", "secret": {"secretName": "mine"}}]
    assert (await admin("POST", f"{DEFAULT}/pods", pod("p1", "n1", volumes=volume))).status == 201
    volume = [{"name": "v", "secret": {"secretName": "theirs"}}]
    assert (await admin("POST", f"{DEFAULT}/pods", pod("p2", "n2", volumes=volume))).status == 201
    node = server.as_user("system:node:n1", "system:nodes")
    assert (await node("GET", f"{DEFAULT}/secrets/mine")).status == 200
    assert (await node("GET", f"{DEFAULT}/secrets/theirs")).status == 403
    assert (await node("GET", f"{DEFAULT}/pods/p1")).status == 200
    assert (await node("GET", f"{DEFAULT}/pods/p2")).status == 403
    status = {"status": {"phase": "Running"}}
    assert (await node("PATCH", f"{DEFAULT}/pods/p1/status", status, Content_Type=MERGE)).status == 200
    assert (await node("PATCH", f"{DEFAULT}/pods/p2/status", status, Content_Type=MERGE)).status == 403
    assert (await node("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})).status == 201
    assert (await node("POST", "/api/v1/nodes", {"metadata": {"name": "n2"}})).status == 403
    lease = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    assert (await node("POST", leases, lease)).status == 201
    assert (await node("POST", leases, {**lease, "metadata": {"name": "n2"}})).status == 403
    token = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p1"}}}
    assert (await node("POST", f"{DEFAULT}/serviceaccounts/default/token", token)).status == 403
    uid = (await admin("GET", f"{DEFAULT}/pods/p1")).body["metadata"]["uid"]
    token["spec"]["boundObjectRef"]["uid"] = uid
    assert (await node("POST", f"{DEFAULT}/serviceaccounts/default/token", token)).status == 201


async def test_reviews_answer_what_would_happen(server: Server) -> None:
    await bind(server.admin, "view", user="viewer")
    for resource, allowed in (("pods", True), ("secrets", False)):
        asked = {"verb": "list", "resource": resource, "namespace": "default"}
        body = {"spec": {"user": "viewer", "resourceAttributes": asked}}
        reply = await server.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        assert (reply.status, reply.body["status"]["allowed"]) == (201, allowed)
    own = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}}}
    reply = await server.as_user("viewer")("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", own)
    assert reply.body["status"]["allowed"] is True
    assert (await server.admin("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {})).status == 422


async def test_metrics_count_what_was_asked(server: Server) -> None:
    await server.admin("GET", f"{DEFAULT}/pods")
    await server.admin("GET", f"{DEFAULT}/pods/none")
    text = (await server.admin("GET", "/metrics")).body
    line = 'apiserver_request_total{verb="LIST",group="",resource="pods",subresource="",code="200"} 1'
    assert line in text.splitlines()
    assert 'apiserver_storage_objects{resource="namespaces"} 4' in text


#: account of kube-system -> what it may do, what it may not: "verb [group:]resource[/subresource]"
CONTROLLERS = {
    "replicaset-controller": (
        ["create pods", "delete pods", "update apps:replicasets/status", "patch events"],
        ["update pods", "create secrets", "delete apps:replicasets", "get secrets", "update apps:deployments/status"],
    ),
    "deployment-controller": (["create apps:replicasets", "update apps:deployments/status"], ["delete pods"]),
    "endpointslice-controller": (["create discovery.k8s.io:endpointslices"], ["create endpoints", "patch services"]),
    "service-controller": (["patch services/status"], ["patch services", "delete services"]),
    "pod-garbage-collector": (["delete pods", "patch pods/status"], ["update pods/status", "create events"]),
    "generic-garbage-collector": (
        ["delete secrets", "patch apps:replicasets"],
        ["create pods", "deletecollection pods"],
    ),
    "namespace-controller": (["deletecollection secrets", "update namespaces/finalize"], ["create pods"]),
    "root-ca-cert-publisher": (["create configmaps"], ["delete configmaps", "list secrets"]),
    "cluster-dns-controller": (["patch services"], ["delete services", "list secrets"]),
    "default": ([], ["list pods", "create pods", "get secrets"]),
}


@pytest.mark.parametrize("account", CONTROLLERS)
async def test_controllers_may_do_their_own_work_and_nothing_else(server: Server, account: str) -> None:
    for allowed, accesses in zip((True, False), CONTROLLERS[account], strict=True):
        for access in accesses:
            verb, path = access.split()
            group, _, resource = path.rpartition(":")
            plural, _, subresource = resource.partition("/")
            asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource,
                     "namespace": "kube-system"}  # fmt: skip
            body = {"spec": {"user": f"system:serviceaccount:kube-system:{account}", "resourceAttributes": asked}}
            reply = await server.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
            assert reply.body["status"]["allowed"] is allowed, access
