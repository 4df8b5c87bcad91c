"""NodeRestriction: an agent writes only its own Node, the status of its own pods, and its own lease.

Follows ``plugin/pkg/admission/noderestriction``.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.auth.identity import NODES as NODES_GROUP
from apiserver.auth.identity import Identity, node_name
from apiserver.refusals import refused
from minikube_py.api.errors import Forbidden
from minikube_py.api.meta import annotations_of, labels_of, name_of
from minikube_py.api.resources import CSINODES, LEASES, NODES, PODCERTIFICATEREQUESTS, PODS, SERVICEACCOUNTS
from minikube_py.api.types import Object

_RESTRICTED = "node-restriction.kubernetes.io/"
#: Label prefixes under kubernetes.io and k8s.io that agents may set themselves.
_OWN_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type",
    }
)  # fmt: skip


class NodeRestriction(PassivePlugin):
    """Holds agents to what is theirs."""

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Refuse an agent's write to what is another's."""
        user = attributes.user
        if NODES_GROUP not in user.groups:
            return ()
        node = node_name(Identity(user.name, user.groups))
        if not node:
            return ()
        resource = attributes.resource
        if resource is NODES:
            _check_node(attributes, node)
        elif resource is PODS:
            _check_pod(attributes, node)
        elif resource is SERVICEACCOUNTS and attributes.subresource == "token":
            _check_token(attributes, node)
        elif resource is PODCERTIFICATEREQUESTS:
            _check_certificate_request(attributes, node)
        elif resource in (LEASES, CSINODES):
            name = attributes.name or name_of(attributes.obj or {})
            if name != node:
                raise refused(resource, name, f'can only access {resource.plural} with the same name as "{node}"')
        return ()


def _check_node(attributes: Attributes, node: str) -> None:
    name = attributes.name or name_of(attributes.obj or {})
    if name != node:
        raise refused(NODES, name, f'node "{node}" is not allowed to modify node "{name}"')
    if attributes.operation == "DELETE":
        raise refused(NODES, name, f'node "{node}" is not allowed to delete node "{name}"')
    old, new = labels_of(attributes.old or {}), labels_of(attributes.obj or {})
    changed = [key for key in {*old, *new} if old.get(key) != new.get(key) and not _may_label(key)]
    if changed:
        listing = ", ".join(sorted(changed))
        raise refused(NODES, name, f"is not allowed to modify labels: {listing}")
    if attributes.operation == "UPDATE" and _taints(attributes.old) != _taints(attributes.obj):
        raise refused(NODES, name, f'node "{node}" is not allowed to modify taints')


def _taints(node: Object | None) -> object:
    return ((node or {}).get("spec") or {}).get("taints") or []


def _may_label(key: str) -> bool:
    prefix, slash, _ = key.rpartition("/")
    if not slash or key in _OWN_LABELS or key.startswith(_OWN_PREFIXES):
        return True
    domain = prefix.removeprefix("*.")
    if key.startswith(_RESTRICTED) or domain.endswith(".node-restriction.kubernetes.io"):
        return False
    kubernetes = ("kubernetes.io", "k8s.io")
    return not any(domain == root or domain.endswith(f".{root}") for root in kubernetes)


def _check_pod(attributes: Attributes, node: str) -> None:
    pod = attributes.old or attributes.obj or {}
    name = attributes.name or name_of(pod)
    if attributes.subresource in ("binding", "exec", "attach", "portforward", "proxy"):
        raise refused(PODS, name, f'unexpected subresource "{attributes.subresource}"')
    if attributes.operation == "CREATE" and not attributes.subresource:
        _check_mirror(pod, node)
    if attributes.subresource == "eviction":
        pod = attributes.reader.get(PODS, attributes.namespace, name) or {}
    if ((pod.get("spec") or {}).get("nodeName") or "") != node:
        action = "delete" if attributes.operation == "DELETE" else "update status for"
        raise refused(PODS, name, f'node "{node}" can only {action} pods with spec.nodeName set to itself')


def _check_mirror(pod: Object, node: str) -> None:
    if "kubernetes.io/config.mirror" not in annotations_of(pod):
        raise Forbidden(
            'pods is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, '
            f'node "{node}" can only create mirror pods'
        )


def _check_token(attributes: Attributes, node: str) -> None:
    reference = ((attributes.obj or {}).get("spec") or {}).get("boundObjectRef") or {}
    if reference.get("kind") != "Pod" or reference.get("apiVersion") != "v1":
        raise refused(SERVICEACCOUNTS, attributes.name, "node requested token not bound to a pod")
    if not reference.get("uid"):
        raise refused(SERVICEACCOUNTS, attributes.name, "node requested token with a pod binding without a uid")
    pod = attributes.reader.get(PODS, attributes.namespace, reference.get("name") or "")
    if pod is None or ((pod.get("spec") or {}).get("nodeName") or "") != node:
        raise refused(
            SERVICEACCOUNTS, attributes.name, "node requested token bound to a pod scheduled on a different node"
        )


def _check_certificate_request(attributes: Attributes, node: str) -> None:
    """An agent asks for a pod of its own, with the names and uids that are true now."""
    spec, namespace = (attributes.obj or {}).get("spec") or {}, attributes.namespace

    def refuse(why: str) -> Forbidden:
        return refused(PODCERTIFICATEREQUESTS, attributes.name or name_of(attributes.obj or {}), why)

    if attributes.operation != "CREATE" or attributes.subresource:
        raise refuse(f"unexpected operation {attributes.operation}")
    if spec.get("nodeName") != node:
        asked = spec.get("nodeName") or ""
        raise refuse(f'PodCertificateRequest.Spec.NodeName="{asked}", which is not the requesting node "{node}"')
    name, account = spec.get("podName") or "", spec.get("serviceAccountName") or ""
    pod = attributes.reader.get(PODS, namespace, name)
    found = {
        "node": attributes.reader.get(NODES, "", node),
        "pod": pod,
        "serviceAccount": attributes.reader.get(SERVICEACCOUNTS, namespace, account),
    }
    for kind, obj in found.items():
        if obj is None or obj["metadata"]["uid"] != spec.get(f"{kind}UID"):
            raise refuse(f'PodCertificateRequest for pod "{namespace}/{name}" names another {kind} than there is')
    running = (pod or {}).get("spec") or {}
    if running.get("nodeName") != node:
        raise refuse(f'pod "{namespace}/{name}" is not running on node "{node}" named in the PodCertificateRequest')
    if "kubernetes.io/config.mirror" in annotations_of(pod or {}):
        raise refuse(f'pod "{namespace}/{name}" is a mirror pod')
    if running.get("serviceAccountName") != account or spec.get("signerName") not in _signers(running):
        raise refuse(f'pod "{namespace}/{name}" does not ask for this certificate')


def _signers(spec: Object) -> set[str]:
    volumes = [volume.get("projected") or {} for volume in spec.get("volumes") or ()]
    asked = [source.get("podCertificate") or {} for each in volumes for source in each.get("sources") or ()]
    return {source["signerName"] for source in asked if source}
