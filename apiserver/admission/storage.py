"""What new claims and volumes are given: the default StorageClass, and finalizers that keep them while they are used.

Follows upstream's plugins DefaultStorageClass (plugin/pkg/admission/storage/storageclass/setdefault) and
StorageObjectInUseProtection.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes, PassivePlugin
from minikube_py.api.meta import metadata, name_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from minikube_py.api.volumeclaims import CLAIM_FINALIZER, VOLUME_FINALIZER, default_class, names_class

_FINALIZERS = {PERSISTENTVOLUMECLAIMS: CLAIM_FINALIZER, PERSISTENTVOLUMES: VOLUME_FINALIZER}


class StorageObjectInUseProtection(PassivePlugin):
    """The controllers that protect take the finalizer away when nothing uses the object."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Add the finalizer to a new claim or volume."""
        finalizer = _FINALIZERS.get(attributes.resource)
        obj = attributes.obj
        if finalizer is None or obj is None or attributes.operation != "CREATE" or attributes.subresource:
            return ()
        finalizers = metadata(obj).get("finalizers") or []
        if finalizer not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, finalizer]
        return ()


class DefaultStorageClass(PassivePlugin):
    """A claim that does not say which class it wants gets the cluster's default, where there is one."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Name the class in a new claim."""
        claim = attributes.obj
        new = attributes.resource is PERSISTENTVOLUMECLAIMS and attributes.operation == "CREATE"
        if claim is None or not new or attributes.subresource or names_class(claim):
            return ()
        default = default_class(attributes.reader.list(STORAGECLASSES))
        if default is not None:
            claim["spec"]["storageClassName"] = name_of(default)
        return ()
