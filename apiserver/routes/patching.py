"""PATCH: the present object, the patch applied, then the way of every update.

The patch is applied to the version in the URL and written by the ``Writer``, whose step from reading to commit is one:
a patch that names no resourceVersion never conflicts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from apiserver.refusals import not_found
from apiserver.routes.bodies import validation_of
from apiserver.routes.options import WriteOptions
from apiserver.routes.writing import Writer, WriteRequest, Written, check_name
from apiserver.schema import patching
from apiserver.schema.schema import Schema
from apiserver.store.objects import StoredObject
from minikube_py.api.errors import UnsupportedMediaType
from minikube_py.api.patch import PatchKind
from minikube_py.api.types import Object


class Applier(Protocol):
    """Server-side apply: merges a manager's intent into an object (present: None where it is to be created)."""

    def __call__(self, present: Object | None, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
        """The object after the apply, managedFields included. Raises Conflict, BadRequest, Invalid."""
        ...


def patch_kind(content_type: str) -> PatchKind:
    """What kind of patch a body is. Raises UnsupportedMediaType."""
    try:
        return PatchKind(content_type.partition(";")[0].strip().lower())
    except ValueError:
        raise UnsupportedMediaType("415: Unsupported Media Type", details={}) from None


class Patcher:
    """Applies patches of every kind. ``apply`` is server-side apply."""

    def __init__(self, *, writer: Writer, schema: Schema, apply: Applier) -> None:
        self._writer = writer
        self._patches = patching.Patcher(schema)
        self._apply = apply

    def patch(self, request: WriteRequest, kind: PatchKind, body: bytes, options: WriteOptions) -> Written:
        """Patch one object; an apply creates it where it is not there. Raises StatusError."""
        served = request.served
        present = served.collection.get(request.namespace, request.name)
        if kind is PatchKind.APPLY:
            return self._apply_patch(request, present, body, options)
        if present is None:
            raise not_found(served.resource, request.name)
        base = served.show(served.load(present))
        decoded = self._patches.apply(kind, body, base, served.resource, validation_of(options))
        request.warn(decoded.warnings)
        check_name(decoded.object, request)
        return self._writer.replace(request, present, served.store(decoded.object))

    def _apply_patch(
        self, request: WriteRequest, present: StoredObject | None, body: bytes, options: WriteOptions
    ) -> Written:
        served = request.served
        write = replace(request, apply=True)
        if present is None:
            if request.subresource:
                raise not_found(served.resource, request.name)
            created = self._apply(None, body, write, options)
            check_name(created, request)
            return self._writer.create(write, created)
        applied = self._apply(served.show(served.load(present)), body, write, options)
        check_name(applied, request)
        return self._writer.replace(write, present, served.store(applied))
