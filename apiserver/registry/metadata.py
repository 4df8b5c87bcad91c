"""Object metadata: what the server fills in, what it checks in every kind, and what no update may change.

Follows ``apimachinery/pkg/api/validation/objectmeta.go`` and ``apiserver/pkg/registry/rest``.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.fields import (
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from minikube_py.api.meta import format_time, new_uid
from minikube_py.api.types import Object

if TYPE_CHECKING:
    from apiserver.registry.context import RequestContext

ANNOTATIONS_SIZE_LIMIT = 256 * 1024
IMMUTABLE = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"

_SUFFIX_LENGTH = 5
_LONGEST_GENERATED_NAME = 63
#: No vowels and no look-alikes, so that no word and no doubt arises.
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_KUBERNETES_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_MANAGER_LENGTH = 128
_SUBRESOURCE_LENGTH = 256

Metadata = dict[str, Any]


def generate_name(base: str) -> str:
    """``base`` with a random suffix, cut so that the whole fits in a DNS label."""
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return base[: _LONGEST_GENERATED_NAME - _SUFFIX_LENGTH] + suffix


def start_system_fields(obj: Object, ctx: RequestContext, *, generation: bool) -> None:
    """Fills what only the server sets on a new object and drops what a client may not set."""
    meta = obj["metadata"]
    for field in ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
        meta.pop(field, None)
    meta["uid"] = new_uid()
    meta["creationTimestamp"] = format_time(ctx.now)
    if generation:
        meta["generation"] = 1
    if meta.get("generateName") and not meta.get("name"):
        meta["name"] = generate_name(meta["generateName"])


def keep_system_fields(new: Object, old: Object, *, unconditional: bool = True) -> None:
    """Puts back what no update may change or drop. ``unconditional``: a missing resourceVersion means the newest."""
    new_meta, old_meta = new["metadata"], old["metadata"]
    for field in ("generation", "creationTimestamp", "deletionTimestamp"):
        if field in old_meta:
            new_meta[field] = old_meta[field]
        elif field != "deletionTimestamp":
            new_meta.pop(field, None)
    for field in ("uid", "deletionGracePeriodSeconds", *(("resourceVersion",) if unconditional else ())):
        if not new_meta.get(field) and field in old_meta:
            new_meta[field] = old_meta[field]


def validate_metadata(
    meta: Metadata, namespaced: bool, name_rule: names.NameRule, path: str, errors: list[FieldError]
) -> None:
    """``ValidateObjectMeta``: a new object's metadata, its name generated already."""
    generated = meta.get("generateName")
    if generated:
        errors.extend(invalid(f"{path}.generateName", generated, text) for text in name_rule(generated, True))
    name = meta.get("name")
    if not name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    else:
        errors.extend(invalid(f"{path}.name", name, text) for text in name_rule(name, False))
    _validate_namespace(meta.get("namespace"), namespaced, path, errors)
    _validate_generation(meta, path, errors)
    _validate_common(meta, path, errors)
    if finalizers := meta.get("finalizers"):
        validate_finalizers(finalizers, f"{path}.finalizers", errors)


def validate_update_metadata(new: Metadata, old: Metadata, namespaced: bool, errors: list[FieldError]) -> None:
    """The metadata checks of every update. Upstream makes the second of them twice, and its causes repeat."""
    validate_metadata(new, namespaced, names.path_segment, "metadata", errors)
    found: list[FieldError] = []
    validate_metadata_update(new, old, "metadata", found)
    errors += found
    errors += found
    validate_finalizer_owners(new, errors)


def _validate_namespace(namespace: str | None, namespaced: bool, path: str, errors: list[FieldError]) -> None:
    if not namespaced:
        if namespace:
            errors.append(forbidden(f"{path}.namespace", "not allowed on this type"))
    elif not namespace:
        errors.append(required(f"{path}.namespace"))
    else:
        errors.extend(invalid(f"{path}.namespace", namespace, text) for text in names.label_name(namespace))


def _validate_generation(meta: Metadata, path: str, errors: list[FieldError]) -> None:
    generation = meta.get("generation") or 0
    if generation < 0:
        errors.append(invalid(f"{path}.generation", generation, NEGATIVE))


def _validate_common(meta: Metadata, path: str, errors: list[FieldError]) -> None:
    if labels := meta.get("labels"):
        validate_labels(labels, f"{path}.labels", errors)
    if annotations := meta.get("annotations"):
        validate_annotations(annotations, f"{path}.annotations", errors)
    if owners := meta.get("ownerReferences"):
        validate_owners(owners, f"{path}.ownerReferences", errors)
    if managed := meta.get("managedFields"):
        validate_managed_fields(managed, f"{path}.managedFields", errors)


def validate_metadata_update(new: Metadata, old: Metadata, path: str, errors: list[FieldError]) -> None:
    """``ValidateObjectMetaUpdate``: what an update of any object must keep."""
    if old.get("deletionTimestamp"):
        _no_new_finalizers(new.get("finalizers") or (), old.get("finalizers") or (), f"{path}.finalizers", errors)
    if not new.get("resourceVersion"):
        errors.append(invalid(f"{path}.resourceVersion", "", "must be specified for an update"))
    _validate_generation(new, path, errors)
    generation = new.get("generation") or 0
    if generation < (old.get("generation") or 0):
        errors.append(invalid(f"{path}.generation", generation, "must not be decremented"))
    for field in ("name", "namespace", "uid"):
        if (new.get(field) or "") != (old.get(field) or ""):
            errors.append(invalid(f"{path}.{field}", new.get(field) or "", IMMUTABLE))
    for field in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(field) != old.get(field):
            errors.append(invalid(f"{path}.{field}", new.get(field), IMMUTABLE))
    _validate_common(new, path, errors)


def _no_new_finalizers(new: Any, old: Any, path: str, errors: list[FieldError]) -> None:
    extra = sorted(set(new) - set(old))
    if extra:
        listing = ", ".join(f'"{name}"' for name in extra)
        detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
        errors.append(forbidden(path, f"{detail} []string{{{listing}}}"))


def validate_labels(labels: dict[str, str], path: str, errors: list[FieldError]) -> None:
    """A set of labels: qualified names to label values."""
    for key, value in labels.items():
        if not _is_label(key, value):
            errors.extend(invalid(path, key, text) for text in names.qualified_name(key))
            errors.extend(invalid(path, value, text) for text in names.label_value(value))


@lru_cache(maxsize=8192)
def _is_label(key: str, value: str) -> bool:
    """Few labels are on many objects, and every write looks at all of its object's."""
    return not names.qualified_name(key) and not names.label_value(value)


def validate_annotations(annotations: dict[str, str], path: str, errors: list[FieldError]) -> None:
    """A set of annotations: qualified names in any case, 256 KiB in all."""
    size = 0
    for key, value in annotations.items():
        errors.extend(invalid(path, key, text) for text in names.qualified_name(key.lower()))
        size += _bytes(key) + _bytes(value)
    if size > ANNOTATIONS_SIZE_LIMIT:
        errors.append(too_long(path, ANNOTATIONS_SIZE_LIMIT))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def validate_finalizers(finalizers: list[str], path: str, errors: list[FieldError]) -> None:
    """Finalizers: qualified names, not both of the garbage collector's."""
    for name in finalizers:
        errors.extend(invalid(path, name, text) for text in names.qualified_name(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        errors.append(invalid(path, finalizers, "finalizer foregroundDeletion and orphan cannot be both set"))


def validate_finalizer_owners(meta: Metadata, errors: list[FieldError]) -> None:
    """In built-in kinds, a finalizer without a domain is one of Kubernetes' own (``validateKubeFinalizerName``)."""
    for index, name in enumerate(meta.get("finalizers") or ()):
        if "/" not in name and name not in _KUBERNETES_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"metadata.finalizers[{index}]", name, detail))


def validate_owners(owners: list[dict[str, Any]], path: str, errors: list[FieldError]) -> None:
    """Owner references: complete, at most one of them the controller."""
    controller = ""
    for index, owner in enumerate(owners):
        _validate_owner(owner, f"{path}[{index}]", errors)
        if not owner.get("controller"):
            continue
        current = f"{owner.get('kind', '')}/{owner.get('name', '')}"
        if controller:
            detail = 'Only one reference can have Controller set to true. Found "true" in references for'
            errors.append(invalid(path, owners, f"{detail} {controller} and {current}"))
        else:
            controller = current


def _validate_owner(owner: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    api_version = owner.get("apiVersion")
    if not api_version:
        errors.append(required(f"{path}.apiVersion", "must not be empty"))
    elif api_version.count("/") > 1 or api_version.endswith("/"):
        errors.append(invalid(f"{path}.apiVersion", api_version, "must be <group>/<version> or <version>"))
    for field in ("kind", "name", "uid"):
        if not owner.get(field):
            errors.append(required(f"{path}.{field}", "must not be empty"))
    if api_version == "v1" and owner.get("kind") == "Event":
        errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))


def validate_managed_fields(entries: list[dict[str, Any]], path: str, errors: list[FieldError]) -> None:
    """The book-keeping of server-side apply."""
    for index, entry in enumerate(entries):
        operation, manager = entry.get("operation"), entry.get("manager") or ""
        if not operation:
            errors.append(required(f"{path}[{index}].operation", "must not be empty"))
        elif operation not in ("Apply", "Update"):
            errors.append(not_supported(f"{path}[{index}].operation", operation, ("Apply", "Update")))
        if (entry.get("fieldsType") or "FieldsV1") != "FieldsV1":
            errors.append(invalid(f"{path}[{index}].fieldsType", entry["fieldsType"], "must be `FieldsV1`"))
        if len(manager) > _MANAGER_LENGTH:
            errors.append(too_long(f"{path}[{index}].manager", _MANAGER_LENGTH))
        if not manager.isprintable():
            _unprintable(manager, f"{path}[{index}].manager", errors)
        if len(entry.get("subresource") or "") > _SUBRESOURCE_LENGTH:
            errors.append(too_long(f"{path}[{index}].subresource", _SUBRESOURCE_LENGTH))


def _unprintable(manager: str, path: str, errors: list[FieldError]) -> None:
    for index, character in enumerate(manager):
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {index})"
            errors.append(invalid(path, manager, detail))


def validate_path_segments(meta: Metadata) -> list[FieldError]:
    """That name and generateName can stand in a URL: the last check, made when all others passed."""
    errors = [
        invalid("metadata.generateName", meta["generateName"], text)
        for text in names.path_segment(meta.get("generateName") or "", True)
    ]
    name = meta.get("name") or ""
    return errors + [invalid("metadata.name", name, text) for text in names.path_segment(name)]
