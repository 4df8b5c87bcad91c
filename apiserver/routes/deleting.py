"""Deletion: at once, after a grace period, or when the last finalizer goes.

Follows ``apiserver/pkg/registry/rest/delete.go`` and ``apiserver/pkg/registry/generic/registry/store.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apiserver.refusals import kind_conflict, not_found
from apiserver.routes.options import DeleteOptions
from apiserver.routes.pacing import Pace
from apiserver.routes.writing import Writer, WriteRequest
from apiserver.store.objects import StoredObject
from minikube_py.api.meta import format_time, is_deleting, parse_time
from minikube_py.api.resources import JOBS, NAMESPACES, REPLICATIONCONTROLLERS
from minikube_py.api.types import Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

#: Kinds whose dependents are orphaned unless the client says otherwise, kept so for compatibility.
_ORPHANING = (JOBS, REPLICATIONCONTROLLERS)
_JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome: the state to show, and whether the object is gone."""

    stored: StoredObject
    gone: bool


class Deleter:
    """Deletes objects through the same admission and strategies as the writer, which it is given."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def delete(self, request: WriteRequest, options: DeleteOptions) -> Deleted:
        """Delete one object, or start to. Raises NotFound, Conflict (preconditions) and what admission raises."""
        served = request.served
        present = served.collection.get(request.namespace, request.name)
        _warn_of_orphans(request, options)
        if present is None:
            raise not_found(served.resource, request.name)
        old = served.load(present)
        _check_preconditions(request, options, present)
        attributes = request.attributes("DELETE", self._writer.reader, old=old)
        request.warn(self._writer.admission.admit(attributes))
        request.warn(self._writer.admission.validate(attributes))
        if served.resource is NAMESPACES:
            return self._delete_namespace(request, present, old)
        return self._delete_object(request, options, present, old)

    def _delete_object(
        self, request: WriteRequest, options: DeleteOptions, present: StoredObject, old: Object
    ) -> Deleted:
        new = request.served.load(present)
        grace = self._grace(request, options, new)
        if grace is _PENDING:
            return Deleted(present, gone=False)
        new["metadata"]["finalizers"] = _finalizers(request, options, new)
        if not new["metadata"]["finalizers"]:
            del new["metadata"]["finalizers"]
        waits = bool(new["metadata"].get("finalizers"))
        if grace is None and waits:
            _mark(new, request.now, 0)
        if grace is None and not waits:
            return self._remove(request, present, old)
        marked = self._commit(request, present, old, new)
        if waits or grace:
            return Deleted(marked, gone=False)
        return self._remove(request, marked, new)

    def _grace(self, request: WriteRequest, options: DeleteOptions, obj: Object) -> int | None:
        """Seconds of grace, having marked ``obj``; None for kinds without; ``_PENDING`` where nothing is to change."""
        meta, asked = obj["metadata"], options.grace_seconds
        strategy = request.served.strategy
        if not is_deleting(obj):
            grace = strategy.deletion_grace_seconds(obj, asked)
            if grace is not None:
                _mark(obj, request.now, grace)
            return grace
        present = meta.get("deletionGracePeriodSeconds") or 0
        if strategy.deletion_grace_seconds(obj, asked) is None or not present:
            return None
        if asked is None or asked >= present:
            return _PENDING
        moment = parse_time(meta["deletionTimestamp"]) + timedelta(seconds=asked - present)
        if moment < request.now:
            moment, asked = request.now, 1 if asked else 0
        meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = format_time(moment), asked
        return asked

    def _delete_namespace(self, request: WriteRequest, present: StoredObject, old: Object) -> Deleted:
        """A namespace goes when its controller has emptied it and taken ``spec.finalizers`` away."""
        new = request.served.load(present)
        if is_deleting(old):
            if (old.get("spec") or {}).get("finalizers") or old["metadata"].get("finalizers"):
                return Deleted(present, gone=False)
            return self._remove(request, present, old)
        new["metadata"]["deletionTimestamp"] = format_time(request.now)
        new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
        return Deleted(self._commit(request, present, old, new), gone=False)

    def _commit(self, request: WriteRequest, present: StoredObject, old: Object, new: Object) -> StoredObject:
        if new == old:
            return present
        collection = request.served.collection
        if request.dry_run:
            return collection.preview(new, present)
        stored = collection.update(present, new)
        self._writer.committed(request.served, old, new)
        return stored

    def _remove(self, request: WriteRequest, present: StoredObject, old: Object) -> Deleted:
        if request.dry_run:
            return Deleted(present, gone=True)
        gone = request.served.collection.delete(present)
        self._writer.committed(request.served, old, None)
        return Deleted(gone, gone=True)

    async def delete_collection(
        self, request: WriteRequest, options: DeleteOptions, selected: list[StoredObject]
    ) -> list[StoredObject]:
        """Delete every one of ``selected``; returns their states before. Raises at the first refusal.

        Each deletion is a step of its own: between them others get their turn, and may have deleted what comes next.
        """
        pace = Pace()
        for stored in selected:
            if pace.is_due():
                await pace.turn()
            each = replace(request, namespace=stored.namespace, name=stored.name)
            if request.served.collection.get(stored.namespace, stored.name) is not None:
                self.delete(each, options)
        return selected


#: The grace period of an object whose deletion goes on as it is.
_PENDING = -1


def _mark(obj: Object, now: datetime, grace: int) -> None:
    """Start the deletion: from here on nobody can stop it."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
        if meta.get("generation"):
            meta["generation"] += 1
    meta["deletionGracePeriodSeconds"] = grace


def _check_preconditions(request: WriteRequest, options: DeleteOptions, present: StoredObject) -> None:
    if options.uid is not None and options.uid != present.uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({present.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise kind_conflict(request.served.collection.resource, present.name, why)
    if options.resource_version is not None and options.resource_version != str(present.revision):
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion "
            f"in record ({present.revision}). The object might have been modified"
        )
        raise kind_conflict(request.served.collection.resource, present.name, why)


def _finalizers(request: WriteRequest, options: DeleteOptions, obj: Object) -> list[str]:
    """The finalizers under which the deletion goes on: the garbage collector's two are set as the client asks."""
    present = obj["metadata"].get("finalizers") or []
    kept = [name for name in present if name not in (ORPHAN, FOREGROUND)]
    policy = _policy(request, options, present)
    extra: Mapping[str, list[str]] = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}
    return kept + extra.get(policy, [])


def _policy(request: WriteRequest, options: DeleteOptions, present: list[str]) -> str:
    if options.orphan_dependents is not None:
        return "Orphan" if options.orphan_dependents else "Background"
    if options.propagation:
        return options.propagation
    if ORPHAN in present:
        return "Orphan"
    if FOREGROUND in present:
        return "Foreground"
    return "Orphan" if request.served.resource in _ORPHANING else "Background"


def _warn_of_orphans(request: WriteRequest, options: DeleteOptions) -> None:
    if request.served.resource is JOBS and not options.propagation and options.orphan_dependents is None:
        request.warnings.append(_JOB_WARNING)
