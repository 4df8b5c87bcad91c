"""What a strategy may know about the request it serves, and the narrow view it has of what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


class User(Protocol):
    """Who asks, as authentication found out."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def groups(self) -> Sequence[str]: ...
    @property
    def extra(self) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular: tests and internal writes."""

    name: str = "system:anonymous"
    uid: str = ""
    groups: Sequence[str] = ("system:unauthenticated",)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Reader(Protocol):
    """Reads stored objects as they are at this instant. What it returns is shared: never change it."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None."""

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """Every object of the resource, in one namespace or (with "") in all."""


class EmptyReader:
    """A reader of an empty store."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Always None."""
        del resource, namespace, name
        return None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """Always empty."""
        del resource, namespace
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """One write: who asks for it, when, of what. ``namespace`` is "" for cluster-scoped resources.

    ``name`` is the name in the URL, "" for a create; ``subresource`` is "" for the object itself.
    """

    resource: Resource
    now: datetime
    user: User = field(default_factory=Anonymous)
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    reader: Reader = field(default_factory=EmptyReader)
