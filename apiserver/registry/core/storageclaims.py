"""The storage class that claims and volumes name, by field or by the annotation that came before it."""

from __future__ import annotations

from minikube_py.api.meta import annotations_of
from minikube_py.api.types import Object

BETA_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def storage_class_of(obj: Object) -> str:
    """The class of a claim or volume, "" where it names none."""
    given = annotations_of(obj).get(BETA_ANNOTATION)
    return given if given is not None else (obj.get("spec") or {}).get("storageClassName") or ""


_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def short_modes(modes: list[str] | None) -> str:
    """Access modes as kubectl abbreviates them, in a fixed order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))
