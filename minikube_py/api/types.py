"""The two shapes in which an object travels: a parsed JSON object, and a reference to one."""

from __future__ import annotations

from typing import Any, NamedTuple

#: A Kubernetes object as parsed JSON. What comes out of a store or an informer is shared: never change it in place.
Object = dict[str, Any]


class ObjectKey(NamedTuple):
    """Where an object lives within its resource. ``namespace`` is "" for cluster-scoped resources."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name
