"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going; some namespaces stay.

Follows ``apiserver/pkg/admission/plugin/namespace/lifecycle``.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.refusals import not_found, refused
from minikube_py.api.errors import Cause
from minikube_py.api.meta import is_deleting
from minikube_py.api.resources import LOCALSUBJECTACCESSREVIEWS, NAMESPACES

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(PassivePlugin):
    """Runs among the mutating plugins, as upstream's does, so that its answer comes before any other's."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Refuse deletion of immortal namespaces and creation in missing or terminating ones."""
        if attributes.resource is NAMESPACES:
            if attributes.operation == "DELETE" and attributes.name in IMMORTAL:
                raise refused(NAMESPACES, attributes.name, "this namespace may not be deleted")
        elif _creates_content(attributes):
            _check_namespace(attributes)
        return ()


def _creates_content(attributes: Attributes) -> bool:
    if attributes.operation != "CREATE" or not attributes.namespace or attributes.subresource:
        return False
    return attributes.resource is not LOCALSUBJECTACCESSREVIEWS


def _check_namespace(attributes: Attributes) -> None:
    name = attributes.namespace
    namespace = attributes.reader.get(NAMESPACES, "", name)
    if namespace is None:
        raise not_found(NAMESPACES, name)
    if is_deleting(namespace) or (namespace.get("status") or {}).get("phase") == "Terminating":
        metadata = (attributes.obj or {}).get("metadata") or {}
        raise refused(
            attributes.resource,
            attributes.name or metadata.get("name") or "",
            f"unable to create new content in namespace {name} because it is being terminated",
            Cause("NamespaceTerminating", f"namespace {name} is being terminated", "metadata.namespace"),
        )
