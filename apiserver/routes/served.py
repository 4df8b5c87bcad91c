"""A served resource: its row in the table, where its objects are kept, its strategy and its forms.

Two versions of a kind (HorizontalPodAutoscaler v1 and v2), or two groups that show the same objects (events), are two
served resources over one collection; a ``Conversion`` translates at the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import orjson

from apiserver.registry.strategy import Strategy
from apiserver.routes.forms import PartialForm, PlainForm, TableForm, WireForm, stored_view
from apiserver.routes.negotiation import Wanted
from apiserver.routes.protobufform import ProtobufForm
from apiserver.schema.messages import Messages
from apiserver.store.collection import Collection
from apiserver.store.objects import StoredObject
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class Conversion:
    """Between the storage version of a kind and another one. Both functions return new objects of the other version."""

    storage: Resource
    to_storage: Callable[[Object], Object]
    from_storage: Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class Served:
    """One resource as clients see it. ``conversion`` is None where it is the storage version itself."""

    resource: Resource
    collection: Collection
    strategy: Strategy
    now: Callable[[], datetime]
    messages: Messages
    conversion: Conversion | None = None

    def streamed_form(self, wanted: Wanted, include: str = "Metadata") -> WireForm:
        """The form of lists and watches that a client asked for."""
        form = self.form(wanted, include)
        if not wanted.protobuf or isinstance(form, TableForm):
            return form
        return ProtobufForm(form, self.messages, self.collection.encoded)

    def form(self, wanted: Wanted, include: str = "Metadata") -> PartialForm | TableForm | PlainForm:
        """The form a client asked for, in JSON."""
        if wanted.shape == "partial":
            return PartialForm(self.resource, wanted.version)
        view = stored_view if self.conversion is None else self.converted_view
        if wanted.shape == "table":
            return TableForm(self.resource, wanted.version, include, self.strategy.table, self.now, view)
        return PlainForm(self.resource, view)

    def converted_view(self, stored: StoredObject) -> bytes:
        """The object's bytes in this version, without kind and apiVersion."""
        shown = self.show(self.load(stored))
        return orjson.dumps({name: value for name, value in shown.items() if name not in ("kind", "apiVersion")})

    def load(self, stored: StoredObject) -> Object:
        """A fresh copy in the storage version, complete with kind and apiVersion."""
        storage = self.collection.resource
        return {"kind": storage.kind, "apiVersion": storage.api_version} | stored.load()

    def show(self, obj: Object) -> Object:
        """An object of the storage version in this version."""
        return obj if self.conversion is None else self.conversion.from_storage(obj)

    def store(self, obj: Object) -> Object:
        """An object of this version in the storage version."""
        return obj if self.conversion is None else self.conversion.to_storage(obj)
