"""References to objects of any version that an autoscaler reads or scales."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields
from apiserver.registry.references import validate_reference
from minikube_py.api.fields import invalid


def validate_target(
    reference: Fields, path: str, errors: Errors, *, version: bool = True, group_needed: bool = True
) -> None:
    """A CrossVersionObjectReference, its apiVersion only with ``version``, which names a group if ``group_needed``."""
    validate_reference(reference, path, errors)
    text = reference.get("apiVersion") or ""
    if not version:
        return
    if text.count("/") > 1:
        errors.append(invalid(f"{path}.apiVersion", text, f"unexpected GroupVersion string: {text}"))
    elif group_needed and not text.rpartition("/")[0]:
        errors.append(invalid(f"{path}.apiVersion", text, "apiVersion must specify API group"))
