"""VolumeAttachments: that a volume should be attached to a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable
from apiserver.registry.core.podspec.sources import validate_csi_driver_name
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import forbidden, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_ONE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def _validate(attachment: Object, errors: Errors) -> None:
    spec = attachment.get("spec") or {}
    source = spec.get("source") or {}
    _validate_source(source, "spec.source", errors)
    check(names.subdomain_name, spec.get("nodeName") or "", "spec.nodeName", errors)
    if source.get("persistentVolumeName") is not None:
        check(names.subdomain_name, source["persistentVolumeName"], "spec.source.persistentVolumeName", errors)
    validate_csi_driver_name(spec.get("attacher") or "", "spec.attacher", errors)


def _validate_source(source: Fields, path: str, errors: Errors) -> None:
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    if inline is None and name is None:
        errors.append(required(path, _ONE))
    elif inline is not None and name is not None:
        errors.append(forbidden(path, _ONE))
    elif inline is not None and inline.get("csi") is None:
        detail = "has to be specified in the context of inline volumes"
        errors.append(required(f"{path}.inlineVolumeSpec.csi", detail))
    elif name == "":
        errors.append(required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("spec"), old.get("spec"), "spec", errors)


def _cells(attachment: Object, now: datetime) -> list[Any]:
    spec = attachment.get("spec") or {}
    return [
        name_of(attachment),
        spec.get("attacher") or "",
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName") or "",
        bool((attachment.get("status") or {}).get("attached")),
        age(attachment, now),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Attacher", description="The driver that attaches it.", format="name"),
        Column("PV", description="The volume."),
        Column("Node", description="The node."),
        Column("Attached", "boolean", "Whether it is attached."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """VolumeAttachments."""
    return KindStrategy(
        resource=resource,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        new_status=lambda: {"attached": False},
        validate=_validate,
        validate_change=_validate_change,
        table=_TABLE,
        allow_unconditional_update=False,
    )
