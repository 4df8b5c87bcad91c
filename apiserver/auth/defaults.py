"""The roles and bindings that every cluster has: upstream's default policy as a table, and what minik's own parts need.

One line per rule: ``verbs | groups | resources``, words separated by spaces, ``""`` for the core group; a fourth column
names objects. A rule whose second column
begins with ``/`` is about paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from apiserver.auth.rules import Rule
from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, Resource
from minikube_py.api.types import Object

_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_ALL = f"{_READ} {_WRITE}"
_EVENTS = 'create patch update | "" events.k8s.io | events'

_NODE = f"""
create | authentication.k8s.io | tokenreviews
create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews
{_READ} | "" | services
create {_READ} | "" | nodes
patch update | "" | nodes/status
patch update | "" | nodes
create patch update | "" | events
{_READ} | "" | pods
create delete | "" | pods
patch update | "" | pods/status
create | "" | pods/eviction
{_READ} | "" | configmaps secrets
get | "" | persistentvolumeclaims persistentvolumes
get | "" | endpoints
create {_READ} | certificates.k8s.io | certificatesigningrequests
create delete get patch update | coordination.k8s.io | leases
get | storage.k8s.io | volumeattachments
get patch update | "" | persistentvolumeclaims/status
create | "" | serviceaccounts/token
{_READ} | storage.k8s.io | csidrivers
create delete get patch update | storage.k8s.io | csinodes
{_READ} | node.k8s.io | runtimeclasses
"""

_ROLES: Mapping[str, str] = MappingProxyType(
    {
        "cluster-admin": """
            * | * | *
            * | /*
        """,
        "system:discovery": """
            get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
        """,
        "system:public-info-viewer": "get | /healthz /livez /readyz /version /version/",
        "system:monitoring": """
            get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
        """,
        "system:basic-user": """
            create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
            create | authentication.k8s.io | selfsubjectreviews
        """,
        "system:aggregate-to-admin": f"""
            create | authorization.k8s.io | localsubjectaccessreviews
            {_ALL} | rbac.authorization.k8s.io | rolebindings roles
        """,
        "system:aggregate-to-edit": f"""
            {_READ} | "" | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
            impersonate | "" | serviceaccounts
            {_WRITE} | "" | pods pods/attach pods/exec pods/portforward pods/proxy
            create | "" | pods/eviction
            {_WRITE} | "" | configmaps events persistentvolumeclaims replicationcontrollers \
                replicationcontrollers/scale secrets serviceaccounts services services/proxy
            create | "" | serviceaccounts/token
            {_WRITE} | apps | daemonsets deployments deployments/rollback deployments/scale replicasets \
                replicasets/scale statefulsets statefulsets/scale
            {_WRITE} | autoscaling | horizontalpodautoscalers
            {_WRITE} | batch | cronjobs jobs
            {_WRITE} | policy | poddisruptionbudgets
            {_WRITE} | networking.k8s.io | ingresses networkpolicies
            {_ALL} | coordination.k8s.io | leases
            {_WRITE} | resource.k8s.io | resourceclaims resourceclaimtemplates
        """,
        "system:aggregate-to-view": f"""
            {_READ} | "" | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods \
                replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
            {_READ} | "" | bindings events limitranges namespaces/status pods/log pods/status \
                replicationcontrollers/status resourcequotas resourcequotas/status
            {_READ} | "" | namespaces
            {_READ} | discovery.k8s.io | endpointslices
            {_READ} | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale \
                deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale \
                statefulsets/status
            {_READ} | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
            {_READ} | batch | cronjobs cronjobs/status jobs jobs/status
            {_READ} | policy | poddisruptionbudgets poddisruptionbudgets/status
            {_READ} | networking.k8s.io | ingresses ingresses/status networkpolicies
            {_READ} | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates
        """,
        "system:auth-delegator": """
            create | authentication.k8s.io | tokenreviews
            create | authorization.k8s.io | subjectaccessreviews
        """,
        "system:service-account-issuer-discovery": "get | /.well-known/openid-configuration /openid/v1/jwks",
        "system:kubelet-api-admin": f"""
            {_READ} | "" | nodes
            proxy | "" | nodes
            * | "" | nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats
        """,
        "system:node": _NODE,
        "system:node-bootstrapper": f"create {_READ} | certificates.k8s.io | certificatesigningrequests",
        "system:node-problem-detector": f"""
            get | "" | nodes
            patch | "" | nodes/status
            {_EVENTS}
        """,
        "system:node-proxier": f"""
            list watch | "" | endpoints services
            {_READ} | "" | nodes
            {_EVENTS}
            list watch | discovery.k8s.io | endpointslices
            list watch | networking.k8s.io | servicecidrs
        """,
        "system:kube-aggregator": f'{_READ} | "" | endpoints services',
        "system:kube-dns": 'list watch | "" | endpoints services',
        "system:kube-controller-manager": f"""
            {_EVENTS}
            create | coordination.k8s.io | leases
            get update | coordination.k8s.io | leases | kube-controller-manager
            create | "" | secrets serviceaccounts
            delete | "" | secrets
            get | "" | configmaps namespaces secrets serviceaccounts
            update | "" | secrets serviceaccounts
            create | authentication.k8s.io | tokenreviews
            create | authorization.k8s.io | subjectaccessreviews
            list watch | * | *
            create | "" | serviceaccounts/token
        """,
        "system:kube-scheduler": f"""
            {_EVENTS}
            create | coordination.k8s.io | leases
            get list update watch | coordination.k8s.io | leases | kube-scheduler
            {_READ} | "" | nodes
            delete {_READ} | "" | pods
            create | "" | bindings pods/binding
            patch update | "" | pods/status
            {_READ} | "" | replicationcontrollers services
            {_READ} | apps | replicasets
            {_READ} | apps | statefulsets
            {_READ} | policy | poddisruptionbudgets
            {_READ} | "" | persistentvolumeclaims persistentvolumes
            create | authentication.k8s.io | tokenreviews
            create | authorization.k8s.io | subjectaccessreviews
            {_READ} | storage.k8s.io | csinodes
            {_READ} | "" | namespaces
            {_READ} | storage.k8s.io | csidrivers
            {_READ} | storage.k8s.io | csistoragecapacities
            {_READ} | resource.k8s.io | deviceclasses
            {_READ} patch update | resource.k8s.io | resourceclaims
            {_READ} | resource.k8s.io | resourceslices
        """,
        "system:volume-scheduler": f"""
            {_READ} patch update | "" | persistentvolumes
            {_READ} | storage.k8s.io | storageclasses
            {_READ} patch update | "" | persistentvolumeclaims
        """,
        "system:persistent-volume-provisioner": f"""
            create delete {_READ} | "" | persistentvolumes
            get list update watch | "" | persistentvolumeclaims
            {_READ} | storage.k8s.io | storageclasses
            watch | "" | events
            {_EVENTS}
        """,
        # Upstream runs each controller as a ServiceAccount of its own; minik's share one identity. Two of them, the
        # garbage collector and the namespace controller, delete any kind of object: hence the first line.
        "minik:controllers": """
            delete deletecollection get patch update | * | *
            create | "" | pods services endpoints configmaps serviceaccounts persistentvolumeclaims \
                persistentvolumes events
            create | "" | serviceaccounts/token pods/eviction pods/binding
            create | apps | replicasets controllerrevisions
            create | batch | jobs
            create | discovery.k8s.io | endpointslices
            create | coordination.k8s.io | leases
            create | networking.k8s.io | ipaddresses
            approve sign | certificates.k8s.io | signers
            escalate | rbac.authorization.k8s.io | clusterroles
        """,
        # The agent is kubelet, Service proxy and cluster DNS in one.
        "minik:node-network": f"""
            {_READ} | "" | services endpoints namespaces
            {_READ} | "" | configmaps | kube-dns
            {_READ} | discovery.k8s.io | endpointslices
            {_EVENTS}
        """,
    }
)

_AGGREGATES = ("admin", "edit", "view")
_AGGREGATE_LABEL = "rbac.authorization.k8s.io/aggregate-to-"
#: Which aggregated role a role is part of.
_PART_OF: Mapping[str, str] = MappingProxyType(
    {
        "edit": "admin",
        "view": "edit",
        "system:aggregate-to-admin": "admin",
        "system:aggregate-to-edit": "edit",
        "system:aggregate-to-view": "view",
    }
)
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}

#: Role -> its subjects, as ``kind name``. A name of several roles' bindings is the role's own.
_BINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "cluster-admin": "Group system:masters",
        "system:monitoring": "Group system:monitoring",
        "system:discovery": "Group system:authenticated",
        "system:public-info-viewer": "Group system:authenticated Group system:unauthenticated",
        "system:basic-user": "Group system:authenticated",
        "system:node-proxier": "User system:kube-proxy",
        "system:kube-controller-manager": "User system:kube-controller-manager",
        "system:kube-dns": "ServiceAccount kube-system/kube-dns",
        "system:kube-scheduler": "User system:kube-scheduler",
        "system:volume-scheduler": "User system:kube-scheduler",
        "system:node": "",
        "system:service-account-issuer-discovery": "Group system:serviceaccounts",
        "minik:controllers": "User system:kube-controller-manager",
        "minik:node-network": "Group system:nodes",
    }
)


def parse_rules(text: str) -> list[Rule]:
    """The rules of a block of the table."""
    return [_parse_rule(line) for line in text.strip().splitlines() if line.strip()]


def _parse_rule(line: str) -> Rule:
    verbs, *columns = (column.split() for column in line.split("|"))
    first = ["" if word == '""' else word for word in columns[0]]
    if first[0].startswith("/"):
        return {"verbs": verbs, "nonResourceURLs": ["*" if path == "/*" else path for path in first]}
    rule: Rule = {"verbs": verbs, "apiGroups": first, "resources": columns[1]}
    return rule | ({"resourceNames": columns[2]} if len(columns) > 2 else {})


#: What the node authorizer allows every node, beside what it decides case by case.
NODE_RULES = tuple(parse_rules(_NODE))


def default_objects() -> Iterator[tuple[Resource, Object]]:
    """Every default ClusterRole and ClusterRoleBinding."""
    for name, text in _ROLES.items():
        yield CLUSTERROLES, {"metadata": _metadata(name), "rules": parse_rules(text)}
    for name in _AGGREGATES:
        selector = {"matchLabels": {f"{_AGGREGATE_LABEL}{name}": "true"}}
        rule = {"clusterRoleSelectors": [selector]}
        yield CLUSTERROLES, {"metadata": _metadata(name), "aggregationRule": rule, "rules": list(_aggregated(name))}
    for role, subjects in _BINDINGS.items():
        reference = {"apiGroup": CLUSTERROLES.group, "kind": "ClusterRole", "name": role}
        yield CLUSTERROLEBINDINGS, {"metadata": _metadata(role), "roleRef": reference, "subjects": _subjects(subjects)}


def _aggregated(name: str) -> Iterator[Rule]:
    """The rules of an aggregated role, as its controller would fill them in."""
    for part, whole in _PART_OF.items():
        if whole == name:
            yield from parse_rules(_ROLES[part]) if part in _ROLES else _aggregated(part)


def _metadata(name: str) -> dict[str, Any]:
    labels = dict(_LABELS)
    if name in _PART_OF:
        labels[f"{_AGGREGATE_LABEL}{_PART_OF[name]}"] = "true"
    return {"name": name, "labels": labels, "annotations": dict(_ANNOTATIONS)}


def _subjects(text: str) -> list[dict[str, str]]:
    words = text.split()
    return [_subject(kind, name) for kind, name in zip(words[::2], words[1::2], strict=True)]


def _subject(kind: str, name: str) -> dict[str, str]:
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "name": account, "namespace": namespace}
    return {"apiGroup": CLUSTERROLES.group, "kind": kind, "name": name}
