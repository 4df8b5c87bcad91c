"""How objects of one kind are defaulted, checked, changed and shown: a composition of plain functions per kind.

The write path of every kind is the same and calls a ``Strategy`` in this order (upstream's ``registry/rest``):

    create: default -> admission -> prepare_create -> validate_create -> commit -> committed(None, new)
    update: default -> admission -> prepare_update -> validate_update -> commit -> committed(old, new)
    delete: deletion_grace_seconds -> commit -> committed(old, None)

From ``prepare_*`` to ``committed`` nothing may await: what a strategy allocates (Service addresses, ports) it only
reads in ``prepare_*`` and records in ``committed``, so a refused, failed or dry-run write leaks nothing and
needs no undo. ``before_create`` and ``before_update`` do the whole middle of the path and raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiserver.registry.checks import Errors, same
from apiserver.registry.context import RequestContext
from apiserver.registry.metadata import (
    keep_system_fields,
    start_system_fields,
    validate_finalizer_owners,
    validate_metadata,
    validate_path_segments,
    validate_update_metadata,
)
from apiserver.registry.table import CREATED_AT_TABLE, Table
from minikube_py.api.errors import BadRequest
from minikube_py.api.fields import FieldError, invalid_object
from minikube_py.api.meta import name_of
from minikube_py.api.names import NameRule, subdomain_name
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

Defaulter = Callable[[Object], None]
Preparer = Callable[[Object, RequestContext], None]
UpdatePreparer = Callable[[Object, Object, RequestContext], None]
Validator = Callable[[Object, Errors], None]
UpdateValidator = Callable[[Object, Object, Errors], None]
ContextValidator = Callable[[Object, Object | None, RequestContext, Errors], None]
Warner = Callable[[Object, Object | None], list[str]]


class UpdateStrategy(Protocol):
    """Updates through one door: the object itself or a subresource with the object's own kind (status, resize…)."""

    def prepare_update(self, new: Object, old: Object, ctx: RequestContext) -> None:
        """Puts back, in ``new``, what this door may not change, and bumps metadata.generation where due."""

    def validate_update(self, new: Object, old: Object, ctx: RequestContext) -> Errors:
        """Everything wrong with the change."""


class Strategy(UpdateStrategy, Protocol):
    """Everything kind-specific that the write and read paths need. Objects are changed in place only where said."""

    @property
    def resource(self) -> Resource: ...
    @property
    def allow_create_on_update(self) -> bool:
        """Whether a PUT to a name that is not there creates it."""

    @property
    def allow_unconditional_update(self) -> bool:
        """Whether a PUT without resourceVersion is taken."""

    @property
    def table(self) -> Table:
        """Columns, and the cells of one object."""

    def default(self, obj: Object) -> None:
        """Fills defaults in place, as upstream's ``SetDefaults_*``; idempotent."""

    def prepare_create(self, obj: Object, ctx: RequestContext) -> None:
        """Drops what a create may not set (status), fills what the server owns. Raises StatusError to refuse."""

    def validate_create(self, obj: Object, ctx: RequestContext) -> Errors:
        """Everything wrong with a new object."""

    def prepare_status_update(self, new: Object, old: Object, ctx: RequestContext) -> None:
        """``prepare_update`` of the status subresource."""

    def validate_status_update(self, new: Object, old: Object, ctx: RequestContext) -> Errors:
        """``validate_update`` of the status subresource."""

    def subresource(self, name: str) -> UpdateStrategy | None:
        """The rules of updates through a subresource, None where the kind has no such one."""

    def deletion_grace_seconds(self, obj: Object, requested: int | None) -> int | None:
        """Seconds of grace a delete gives, None where the kind is deleted at once. ``requested`` is the client's."""

    def committed(self, old: Object | None, new: Object | None) -> None:
        """Hears of every write that was stored (never of dry runs): records and releases allocations."""

    def warnings(self, obj: Object, old: Object | None = None) -> list[str]:
        """Texts for ``Warning: 299`` headers about a write."""


def nothing(*_: Any) -> None:
    """The hook of a kind that has no such rule."""


def no_warnings(_obj: Object, _old: Object | None) -> list[str]:
    """The warner of a kind that has none."""
    return []


@dataclass(frozen=True, kw_only=True)
class UpdateRules:
    """One door for updates, as functions. The metadata rules of updates are those of the whole kind."""

    prepare: UpdatePreparer = nothing
    validate: UpdateValidator = nothing
    validate_in_context: ContextValidator = nothing

    def prepare_update(self, new: Object, old: Object, ctx: RequestContext) -> None:
        """See ``UpdateStrategy``."""
        keep_system_fields(new, old)
        self.prepare(new, old, ctx)

    def validate_update(self, new: Object, old: Object, ctx: RequestContext) -> Errors:
        """See ``UpdateStrategy``."""
        errors: Errors = []
        validate_update_metadata(new["metadata"], old["metadata"], ctx.resource.namespaced, errors)
        self.validate(new, old, errors)
        self.validate_in_context(new, old, ctx, errors)
        return errors


def keep_all_but_status(new: Object, old: Object, _ctx: RequestContext) -> None:
    """What an update of status may change: status, and metadata other than its owners."""
    for field_name in old.keys() | new.keys():
        if field_name not in ("metadata", "status", "apiVersion", "kind"):
            _keep(new, old, field_name)


def keep_status(new: Object, old: Object, _ctx: RequestContext | None = None) -> None:
    """What an update of the object may not change: its status."""
    _keep(new, old, "status")


def keep_metadata(new: Object, old: Object, *, labels: bool = True) -> None:
    """Status updates of some kinds may not touch labels (and never owner references)."""
    new_meta, old_meta = new["metadata"], old["metadata"]
    for field_name in ("labels", "ownerReferences") if labels else ("ownerReferences",):
        _keep(new_meta, old_meta, field_name)


def _keep(new: dict[str, Any], old: dict[str, Any], field_name: str) -> None:
    if field_name in old:
        new[field_name] = old[field_name]
    else:
        new.pop(field_name, None)


STATUS_RULES = UpdateRules(prepare=keep_all_but_status)


def keep_all_but_mere_status(new: Object, old: Object, ctx: RequestContext) -> None:
    """The same of kinds whose status updates leave metadata alone as well (``ResetObjectMetaForStatus``)."""
    keep_all_but_status(new, old, ctx)
    for field_name in ("labels", "annotations", "finalizers", "ownerReferences"):
        _keep(new["metadata"], old["metadata"], field_name)


MERE_STATUS_RULES = UpdateRules(prepare=keep_all_but_mere_status)


@dataclass(frozen=True, kw_only=True)
class KindStrategy:
    """The strategy of every built-in kind: adding a kind is filling in the functions that differ.

    ``validate`` checks the whole object but its metadata, at creation and (unless ``validate_change`` says otherwise)
    at updates; ``validate_change`` adds what only updates must keep. ``generation_fields`` are the fields whose change
    bumps metadata.generation, () for kinds that have none. ``new_status`` makes the status of a new object: the
    zeros that its kind always shows.
    """

    resource: Resource
    name_rule: NameRule = subdomain_name
    defaulter: Defaulter = nothing
    has_status: bool = False
    new_status: Callable[[], Object] = dict
    generation_fields: tuple[str, ...] = ()
    prepare_new: Preparer = nothing
    prepare_change: UpdatePreparer = nothing
    validate: Validator = nothing
    validate_new: Validator = nothing
    validate_change: UpdateValidator = nothing
    validate_in_context: ContextValidator = nothing
    revalidate: bool = True
    subresources: Mapping[str, UpdateRules] = field(default_factory=dict)
    table: Table = CREATED_AT_TABLE
    warner: Warner = no_warnings
    grace: Callable[[Object, int | None], int | None] | None = None
    on_commit: Callable[[Object | None, Object | None], None] = nothing
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True

    def default(self, obj: Object) -> None:
        """See ``Strategy``."""
        self.defaulter(obj)

    def prepare_create(self, obj: Object, ctx: RequestContext) -> None:
        """See ``Strategy``."""
        start_system_fields(obj, ctx, generation=bool(self.generation_fields))
        if self.has_status:
            obj["status"] = self.new_status()
        self.prepare_new(obj, ctx)

    def validate_create(self, obj: Object, ctx: RequestContext) -> Errors:
        """See ``Strategy``."""
        errors: Errors = []
        validate_metadata(obj["metadata"], self.resource.namespaced, self.name_rule, "metadata", errors)
        validate_finalizer_owners(obj["metadata"], errors)
        self.validate(obj, errors)
        self.validate_new(obj, errors)
        self.validate_in_context(obj, None, ctx, errors)
        return errors or validate_path_segments(obj["metadata"])

    def prepare_update(self, new: Object, old: Object, ctx: RequestContext) -> None:
        """See ``UpdateStrategy``."""
        keep_system_fields(new, old, unconditional=self.allow_unconditional_update)
        if self.has_status:
            keep_status(new, old)
        self.prepare_change(new, old, ctx)
        if not all(same(new.get(name), old.get(name)) for name in self.generation_fields):
            new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1

    def validate_update(self, new: Object, old: Object, ctx: RequestContext) -> Errors:
        """See ``UpdateStrategy``."""
        errors: Errors = []
        validate_update_metadata(new["metadata"], old["metadata"], self.resource.namespaced, errors)
        if self.revalidate:
            self.validate(new, errors)
        self.validate_change(new, old, errors)
        self.validate_in_context(new, old, ctx, errors)
        return errors

    def subresource(self, name: str) -> UpdateStrategy | None:
        """See ``Strategy``."""
        rules = self.subresources.get(name)
        return STATUS_RULES if rules is None and name == "status" else rules

    def prepare_status_update(self, new: Object, old: Object, ctx: RequestContext) -> None:
        """See ``Strategy``."""
        self.subresources.get("status", STATUS_RULES).prepare_update(new, old, ctx)

    def validate_status_update(self, new: Object, old: Object, ctx: RequestContext) -> Errors:
        """See ``Strategy``."""
        return self.subresources.get("status", STATUS_RULES).validate_update(new, old, ctx)

    def deletion_grace_seconds(self, obj: Object, requested: int | None) -> int | None:
        """See ``Strategy``."""
        return self.grace(obj, requested) if self.grace else None

    def committed(self, old: Object | None, new: Object | None) -> None:
        """See ``Strategy``."""
        self.on_commit(old, new)

    def warnings(self, obj: Object, old: Object | None = None) -> list[str]:
        """See ``Strategy``."""
        return self.warner(obj, old)


def before_create(strategy: Strategy, obj: Object, ctx: RequestContext) -> list[str]:
    """Prepares and checks a new, defaulted object in place; returns warnings.

    Raises BadRequest when its namespace is not the request's, Invalid with every cause when it is not valid.
    """
    _match_namespace(obj, ctx)
    strategy.prepare_create(obj, ctx)
    _raise_invalid(obj, strategy.validate_create(obj, ctx), ctx)
    return strategy.warnings(obj)


def before_update(strategy: Strategy, new: Object, old: Object, ctx: RequestContext) -> list[str]:
    """Prepares and checks a change, through ``ctx.subresource`` if that is set; returns warnings.

    ``new`` is changed in place; ``old`` is not, but may share parts with ``new`` afterwards.
    Raises BadRequest when the namespaces differ, Invalid with every cause when the change is not valid.
    """
    _match_namespace(new, ctx)
    rules = strategy.subresource(ctx.subresource) if ctx.subresource else strategy
    if rules is None:
        raise BadRequest(f"{ctx.resource.group_resource} has no updates through {ctx.subresource}")
    rules.prepare_update(new, old, ctx)
    _raise_invalid(new, rules.validate_update(new, old, ctx), ctx)
    return strategy.warnings(new, old) if not ctx.subresource else []


def _match_namespace(obj: Object, ctx: RequestContext) -> None:
    meta = obj.setdefault("metadata", {})
    if not ctx.resource.namespaced or not ctx.namespace:
        return
    if meta.setdefault("namespace", ctx.namespace) != ctx.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def _raise_invalid(obj: Object, errors: Sequence[FieldError], ctx: RequestContext) -> None:
    if errors:
        raise invalid_object(ctx.resource.group, ctx.resource.kind, name_of(obj), errors)
