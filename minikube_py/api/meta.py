"""Reading an object's metadata without spelling out its path each time."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from minikube_py.api.types import Object, ObjectKey

#: The bits of a UUID that are not random, and what they are in version 4 of RFC 9562's variant.
_FIXED_BITS = 0xF000 << 64 | 0xC000 << 48
_VERSION_4 = 0x4000 << 64 | 0x8000 << 48


def metadata(obj: Object) -> dict[str, Any]:
    """The object's metadata, or an empty mapping where it has none."""
    return obj.get("metadata") or {}


def key_of(obj: Object) -> ObjectKey:
    """Namespace and name of the object."""
    meta = metadata(obj)
    return ObjectKey(meta.get("namespace") or "", meta.get("name") or "")


def name_of(obj: Object) -> str:
    """metadata.name, or ""."""
    return str(metadata(obj).get("name") or "")


def namespace_of(obj: Object) -> str:
    """metadata.namespace, or "" for a cluster-scoped object."""
    return str(metadata(obj).get("namespace") or "")


def uid_of(obj: Object) -> str:
    """metadata.uid, or ""."""
    return str(metadata(obj).get("uid") or "")


def labels_of(obj: Object) -> dict[str, str]:
    """metadata.labels, or an empty mapping."""
    return metadata(obj).get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """metadata.annotations, or an empty mapping."""
    return metadata(obj).get("annotations") or {}


def revision_of(obj: Object) -> int:
    """metadata.resourceVersion as a number; 0 where it is not set."""
    return int(metadata(obj).get("resourceVersion") or 0)


def is_deleting(obj: Object) -> bool:
    """Whether deletion has been asked for and is still waiting for grace or finalizers."""
    return bool(metadata(obj).get("deletionTimestamp"))


def owners_of(obj: Object) -> list[dict[str, Any]]:
    """metadata.ownerReferences, or an empty list."""
    return metadata(obj).get("ownerReferences") or []


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The owner reference marked ``controller: true``, if there is one."""
    return next((ref for ref in owners_of(obj) if ref.get("controller")), None)


def owner_reference(owner: Object, *, controller: bool = True) -> dict[str, Any]:
    """A reference to ``owner`` that blocks its foreground deletion, as upstream's controllers write it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def new_uid() -> str:
    """A fresh random UID (RFC 9562, version 4)."""
    # Written out, because every object gets one and the uuid module takes thrice as long.
    number = secrets.randbits(128) & ~_FIXED_BITS | _VERSION_4
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def format_time(moment: datetime) -> str:
    """A metav1.Time on the wire: RFC 3339 in UTC, whole seconds."""
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:-6]}Z"


def format_micro_time(moment: datetime) -> str:
    """A metav1.MicroTime on the wire: RFC 3339 in UTC with six decimals (leases, events.k8s.io)."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as an aware datetime. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment


def find_condition(conditions: Iterable[dict[str, Any]] | None, kind: str) -> dict[str, Any] | None:
    """The condition whose ``type`` is ``kind``, if it is there."""
    return next((condition for condition in conditions or () if condition.get("type") == kind), None)


def condition_is_true(conditions: Iterable[dict[str, Any]] | None, kind: str) -> bool:
    """Whether the condition ``kind`` is there with status "True"."""
    condition = find_condition(conditions, kind)
    return condition is not None and condition.get("status") == "True"
