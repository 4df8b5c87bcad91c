"""The write path: from a decoded object to a commit, in one synchronous step.

    default -> managed fields -> admit -> prepare and validate (the kind's strategy) -> admit again -> commit

Nothing here awaits. What is read at the start is still true at the commit, so there are no locks and no retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from apiserver.admission.chain import AdmissionChain, Attributes, Operation
from apiserver.refusals import already_exists, conflict, generated_name_taken, not_found
from apiserver.registry.context import Reader, RequestContext, User
from apiserver.registry.metadata import generate_name
from apiserver.registry.strategy import before_create, before_update
from apiserver.routes.options import WriteOptions
from apiserver.routes.served import Served
from apiserver.schema.schema import Schema
from apiserver.store.objects import StoredObject
from minikube_py.api.errors import BadRequest, OtherStatus
from minikube_py.api.fields import invalid, invalid_object
from minikube_py.api.meta import is_deleting, metadata, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: How often another random suffix is tried when a generated name is taken (upstream's number).
_GENERATE_ATTEMPTS = 8

#: Hears of every commit: (resource, old, new).
Follower = Callable[[Resource, Object | None, Object | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """Who writes where. ``manager`` is the field manager; ``name`` the name in the URL.

    ``followed_as`` is the subresource that managedFields name where the strategy sees none: a scale is an update of the
    object itself.
    """

    served: Served
    user: User
    now: datetime
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    manager: str = ""
    followed_as: str = ""
    dry_run: bool = False
    apply: bool = False
    warnings: list[str] = field(default_factory=list)

    def warn(self, texts: Iterable[str]) -> None:
        """Add to what the client will be warned of."""
        self.warnings.extend(texts)

    def context(self, reader: Reader) -> RequestContext:
        """The same for strategies."""
        return RequestContext(
            resource=self.served.collection.resource,
            now=self.now,
            user=self.user,
            namespace=self.namespace,
            name=self.name,
            subresource=self.subresource,
            dry_run=self.dry_run,
            reader=reader,
        )

    def attributes(
        self, operation: Operation, reader: Reader, *, obj: Object | None = None, old: Object | None = None
    ) -> Attributes:
        """The same for admission."""
        return Attributes(
            operation=operation,
            resource=self.served.resource,
            user=self.user,
            reader=reader,
            namespace=self.namespace,
            name=self.name or (name_of(obj) if obj is not None else ""),
            subresource=self.subresource,
            obj=obj,
            old=old,
            dry_run=self.dry_run,
            now=self.now,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write: the state to show, and whether it is a new object."""

    stored: StoredObject
    created: bool = False


class FieldTracker(Protocol):
    """Records who set which fields."""

    def track(self, new: Object, old: Object | None, request: WriteRequest) -> None:
        """Set the managedFields of ``new`` in place: what this request says, before admission adds its own."""
        ...

    def apply_scale(self, present: Object, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
        """The workload after applying a Scale to it. Raises Conflict, BadRequest, OtherStatus."""
        ...

    def settle(self, new: Object, old: Object) -> None:
        """Take back (in place) what is no change: other times of the same fields."""
        ...


class Writer:
    """Creates and updates objects. ``fields`` keeps their managedFields; ``followers`` hear of every commit."""

    def __init__(self, *, reader: Reader, admission: AdmissionChain, schema: Schema, fields: FieldTracker) -> None:
        self.reader = reader
        self.admission = admission
        self._schema = schema
        self.fields = fields
        self.followers: list[Follower] = []

    def committed(self, served: Served, old: Object | None, new: Object | None) -> None:
        """Tell the kind's strategy and the followers of a commit."""
        served.strategy.committed(old, new)
        for follow in self.followers:
            follow(served.resource, old, new)

    def _fill(self, served: Served, obj: Object) -> None:
        """Defaults, and the zeros that the wire form always has."""
        served.strategy.default(obj)
        self._schema.complete(obj, served.collection.resource)

    def create(self, request: WriteRequest, given: Object) -> Written:
        """Commit a new object; takes ``given`` over. Raises StatusError."""
        served = request.served
        obj = served.store(given)
        obj["metadata"] = metadata(obj)
        generated = not obj["metadata"].get("name")
        self._fill(served, obj)
        self.fields.track(obj, None, request)
        attributes = request.attributes("CREATE", self.reader, obj=obj)
        request.warn(self.admission.admit(attributes))
        request.warn(before_create(served.strategy, obj, request.context(self.reader)))
        request.warn(self.admission.validate(replace(attributes, name=name_of(obj)) if generated else attributes))
        self._claim_name(request, obj, generated)
        if metadata(obj).get("resourceVersion"):
            raise OtherStatus("resourceVersion should not be set on objects to be created", code=500, reason="")
        if request.dry_run:
            return Written(served.collection.preview(obj, None), created=True)
        stored = served.collection.create(obj)
        self.committed(served, None, obj)
        return Written(stored, created=True)

    def plant(self, request: WriteRequest, obj: Object) -> Written:
        """Commit a new object of this program's own table: as ``create``, without asking whether it is valid."""
        served = request.served
        self._fill(served, obj)
        served.strategy.prepare_create(obj, request.context(self.reader))
        self.fields.track(obj, None, request)
        stored = served.collection.create(obj)
        self.committed(served, None, obj)
        return Written(stored, created=True)

    def _claim_name(self, request: WriteRequest, obj: Object, generated: bool) -> None:
        """Refuse a taken name; a generated one is generated again."""
        meta, collection = obj["metadata"], request.served.collection
        namespace, base = meta.get("namespace") or "", meta.get("generateName") or ""
        for _ in range(_GENERATE_ATTEMPTS):
            if collection.get(namespace, meta["name"]) is None:
                return
            if not generated:
                raise already_exists(request.served.resource, meta["name"])
            meta["name"] = generate_name(base)
        raise generated_name_taken(request.served.resource, meta["name"])

    def update(self, request: WriteRequest, given: Object) -> Written:
        """Commit a new state of a present object (or create it, where its kind allows that); takes ``given`` over."""
        served = request.served
        check_name(given, request)
        present = served.collection.get(request.namespace, request.name)
        if present is None:
            if not served.strategy.allow_create_on_update or request.subresource:
                raise not_found(served.resource, request.name)
            metadata(given).pop("resourceVersion", None)
            return self.create(request, given)
        _check_identity(request, given, present)
        return self.replace(request, present, served.store(given))

    def replace(self, request: WriteRequest, present: StoredObject, new: Object) -> Written:
        """Commit ``new`` (storage version) in place of ``present``. Raises Conflict for one built on another state."""
        served, old = request.served, request.served.load(present)
        new["metadata"] = metadata(new)
        _check_basis(request, new, present)
        if not new["metadata"].get("resourceVersion") and served.strategy.allow_unconditional_update:
            new["metadata"]["resourceVersion"] = str(present.revision)
        self._fill(served, new)
        self.fields.track(new, old, request)
        attributes = request.attributes("UPDATE", self.reader, obj=new, old=old)
        request.warn(self.admission.admit(attributes))
        request.warn(before_update(served.strategy, new, old, request.context(self.reader)))
        request.warn(self.admission.validate(attributes))
        if request.apply:
            self.fields.settle(new, old)
        return self.commit(request, present, old, new)

    def commit(self, request: WriteRequest, present: StoredObject, old: Object, new: Object) -> Written:
        """The end of every update: nothing where nothing changed, a deletion where the last finalizer went."""
        served = request.served
        if new == old:
            return Written(present)
        if request.dry_run:
            return Written(served.collection.preview(new, present))
        if _is_finished(new, old):
            return self._finish(request, present, old, new)
        stored = served.collection.update(present, new)
        self.committed(served, old, new)
        return Written(stored)

    def _finish(self, request: WriteRequest, present: StoredObject, old: Object, new: Object) -> Written:
        served = request.served
        gone = served.collection.delete(present, new)
        self.committed(served, old, None)
        return Written(gone)


def check_name(given: Object, request: WriteRequest) -> None:
    """The body of an update must be about the object in the URL. Raises BadRequest."""
    meta = given.setdefault("metadata", {})
    name, namespace = meta.get("name") or "", meta.get("namespace") or ""
    if not name and not meta.get("generateName"):
        raise BadRequest(
            f"the name of the object ({request.name} based on URL) was undeterminable: name must be provided"
        )
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    if namespace and request.namespace and namespace != request.namespace:
        raise BadRequest(
            f"the namespace of the object ({namespace}) does not match the namespace on the request "
            f"({request.namespace})"
        )


def _check_basis(request: WriteRequest, new: Object, present: StoredObject) -> None:
    """Optimistic concurrency: the write must name the present revision, or none where its kind lets it."""
    resource = request.served.resource
    revision = new["metadata"].get("resourceVersion") or ""
    if revision and revision != "0" and revision != str(present.revision):
        raise conflict(resource, request.name)
    if not revision and not request.served.strategy.allow_unconditional_update:
        fault = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid_object(resource.group, resource.plural, request.name, [fault])


def _check_identity(request: WriteRequest, given: Object, present: StoredObject) -> None:
    """A whole object that names a uid is for that very object."""
    uid, resource = metadata(given).get("uid") or "", request.served.resource
    if uid and uid != present.uid:
        raise conflict(
            resource,
            request.name,
            f"StorageError: invalid object, Code: 4, Key: /registry/{resource.plural}/{present.key}, "
            "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: {uid}, UID in object meta: {present.uid}",
        )


def _is_finished(new: Object, old: Object) -> bool:
    """Whether this update takes away the last thing that kept a deleted object."""
    if not is_deleting(old) or metadata(new).get("finalizers"):
        return False
    if new.get("kind") == "Namespace" and (new.get("spec") or {}).get("finalizers"):
        return False
    return not metadata(old).get("deletionGracePeriodSeconds")
