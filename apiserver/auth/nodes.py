"""What a node's agent may do: its own Node, its own pods, and what those pods refer to.

Follows ``plugin/pkg/auth/authorizer/node``, but asks the pods of the node instead of keeping a graph: a node has few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiserver.auth.access import Access, Decision
from apiserver.auth.defaults import rules_of
from apiserver.auth.identity import Identity, node_name
from apiserver.auth.rules import allows
from apiserver.store.objects import StoredObject
from apiserver.store.selection import Selection
from apiserver.store.store import Store
from minikube_py.api.errors import BadRequest
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODCERTIFICATEREQUESTS, PODS
from minikube_py.api.selectors import FieldRequirement, FieldSelector, parse_field_selector
from minikube_py.api.types import Object

#: A thing that a pod refers to: its plural and its name, in the pod's namespace.
Reference = tuple[str, str]

_READ = ("get", "list", "watch")
_YES = Decision(True)
_NO = Decision(False)


class NodeAuthorizer:
    """Allows agents what concerns their own node."""

    def __init__(self, store: Store) -> None:
        self._pods = store.collection(PODS)
        self._claims = store.collection(PERSISTENTVOLUMECLAIMS)
        self._requests = store.collection(PODCERTIFICATEREQUESTS)
        self._rules = rules_of("system:node")
        self._references: dict[str, tuple[int, frozenset[Reference]]] = {}
        self._special: Mapping[tuple[str, str], Callable[[str, Access], Decision]] = {
            ("", "secrets"): self._reads_referenced,
            ("", "configmaps"): self._reads_referenced,
            ("", "persistentvolumeclaims"): self._gets_referenced,
            ("", "persistentvolumes"): self._gets_volume,
            ("resource.k8s.io", "resourceclaims"): self._gets_referenced,
            ("storage.k8s.io", "volumeattachments"): lambda _, access: Decision(access.verb == "get"),
            ("", "serviceaccounts"): self._creates_token,
            ("certificates.k8s.io", "podcertificaterequests"): self._certificate_request,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _own_name,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
        }

    def decide(self, user: Identity, access: Access) -> Decision:
        """See ``Authorizer``."""
        node = node_name(user)
        if not node:
            return _NO
        special = self._special.get((access.group, access.resource)) if not access.path else None
        if special is not None:
            return special(node, access)
        return Decision(any(allows(rule, access) for rule in self._rules))

    def _reads_referenced(self, node: str, access: Access) -> Decision:
        if access.verb not in _READ:
            return Decision(False, "can only read resources of this type")
        if access.subresource:
            return Decision(False, "cannot read subresource")
        if not access.namespace:
            return Decision(False, "can only read namespaced object of this type")
        return self._related(node, access)

    def _gets_referenced(self, node: str, access: Access) -> Decision:
        status = access.subresource == "status" and access.verb in ("update", "patch")
        if not status and (access.verb != "get" or access.subresource):
            return Decision(False, "can only get individual resources of this type")
        return self._related(node, access)

    def _gets_volume(self, node: str, access: Access) -> Decision:
        if access.verb != "get" or access.subresource:
            return Decision(False, "can only get individual resources of this type")
        for pod in self._pods_of(node):
            for plural, name in self._references_of(pod):
                claim = self._claims.get(pod.namespace, name) if plural == "persistentvolumeclaims" else None
                if claim is not None and claim.load().get("spec", {}).get("volumeName") == access.name:
                    return _YES
        return _unrelated(node)

    def _creates_token(self, node: str, access: Access) -> Decision:
        if access.verb == "get" and not access.subresource:
            return self._related(node, access)
        if access.verb != "create" or not access.name:
            return Decision(False, "can only create tokens for individual service accounts")
        if access.subresource != "token":
            return Decision(False, "can only create token subresource of serviceaccount")
        return self._related(node, access)

    def _pod(self, node: str, access: Access) -> Decision:
        verb, subresource = access.verb, access.subresource
        if subresource == "status":
            return Decision(verb in ("update", "patch"))
        if subresource == "eviction":
            return Decision(verb == "create")
        if subresource or verb not in (*_READ, "create", "delete"):
            return _NO
        if verb in ("create", "delete") or (verb != "get" and _selects_node(access.field_selector, node)):
            return _YES
        if access.name:
            pod = self._pods.get(access.namespace, access.name)
            return _YES if pod is not None and self._is_on(pod, node) else _unrelated(node)
        return Decision(False, "can only list/watch pods with spec.nodeName field selector")

    def _certificate_request(self, node: str, access: Access) -> Decision:
        if access.subresource:
            return Decision(False, "nodes may not access the status subresource of PodCertificateRequests")
        if access.verb == "create":
            return _YES
        if access.verb == "get":
            request = self._requests.get(access.namespace, access.name)
            return _YES if request is not None and self._is_of(request, node) else _unrelated(node)
        if access.verb in ("list", "watch"):
            if _selects_node(access.field_selector, node):
                return _YES
            return Decision(False, "can only list/watch podcertificaterequests with nodeName field selector")
        return Decision(False, f"nodes may not {access.verb} podcertificaterequests")

    def _is_of(self, request: StoredObject, node: str) -> bool:
        return request.fields[self._requests.fields.paths.index("spec.nodeName")] == node

    def _is_on(self, pod: StoredObject, node: str) -> bool:
        return pod.fields[self._pods.fields.paths.index("spec.nodeName")] == node

    def _pods_of(self, node: str) -> Iterator[StoredObject]:
        on_node = FieldSelector((FieldRequirement("spec.nodeName", "=", node),))
        yield from self._pods.select(Selection(fields=on_node)).items

    def _related(self, node: str, access: Access) -> Decision:
        if not access.name:
            return Decision(False, "No Object name found")
        wanted = (access.resource, access.name)
        for pod in self._pods_of(node):
            if pod.namespace == access.namespace and wanted in self._references_of(pod):
                return _YES
        return _unrelated(node)

    def _references_of(self, pod: StoredObject) -> frozenset[Reference]:
        known = self._references.get(pod.uid)
        if known is None or known[0] != pod.revision:
            if len(self._references) > 4 * len(self._pods) + 1_000:
                self._references.clear()
            known = self._references[pod.uid] = (pod.revision, frozenset(pod_references(pod.load())))
        return known[1]


def _unrelated(node: str) -> Decision:
    return Decision(False, f"no relationship found between node '{node}' and this object")


def _lease(node: str, access: Access) -> Decision:
    if access.verb not in ("get", "create", "update", "patch", "delete"):
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if access.namespace != "kube-node-lease":
        return Decision(False, 'can only access leases in the "kube-node-lease" system namespace')
    if access.verb != "create" and access.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return _YES


def _own_name(node: str, access: Access) -> Decision:
    if access.verb not in ("get", "create", "update", "patch", "delete") or access.subresource:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    return Decision(access.verb == "create" or access.name == node)


def _node(node: str, access: Access) -> Decision:
    if access.subresource == "status":
        return Decision(access.verb in ("update", "patch"))
    if access.subresource or access.verb not in (*_READ, "create", "update", "patch"):
        return _NO
    if access.verb not in _READ or access.name == node:
        return _YES
    if not access.name:
        return Decision(False, f"node '{node}' cannot read all nodes, only its own Node object")
    return Decision(False, f"node '{node}' cannot read '{access.name}', only its own Node object")


def _selects_node(selector: str, node: str) -> bool:
    try:
        return parse_field_selector(selector).exact("spec.nodeName") == node
    except BadRequest:
        return False


def pod_references(pod: Object) -> Iterator[Reference]:
    """Everything a pod refers to that its node must read."""
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        yield "serviceaccounts", spec["serviceAccountName"]
    for entry in spec.get("imagePullSecrets") or ():
        yield "secrets", entry.get("name", "")
    for volume in spec.get("volumes") or ():
        yield from _volume_references(volume)
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            yield from _container_references(container)
    for claim in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        yield "resourceclaims", claim.get("resourceClaimName", "")


def _volume_references(volume: dict[str, Any]) -> Iterator[Reference]:
    if secret := volume.get("secret"):
        yield "secrets", secret.get("secretName", "")
    if config := volume.get("configMap"):
        yield "configmaps", config.get("name", "")
    if claim := volume.get("persistentVolumeClaim"):
        yield "persistentvolumeclaims", claim.get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if secret := source.get("secret"):
            yield "secrets", secret.get("name", "")
        if config := source.get("configMap"):
            yield "configmaps", config.get("name", "")


def _container_references(container: dict[str, Any]) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        if secret := source.get("secretRef"):
            yield "secrets", secret.get("name", "")
        if config := source.get("configMapRef"):
            yield "configmaps", config.get("name", "")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if secret := source.get("secretKeyRef"):
            yield "secrets", secret.get("name", "")
        if config := source.get("configMapKeyRef"):
            yield "configmaps", config.get("name", "")
