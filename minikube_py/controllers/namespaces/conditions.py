"""What a Terminating namespace says about what is left in it. Pure; wording as upstream's namespace deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import with_condition


@dataclass(slots=True)
class Contents:
    """What an attempt to empty a namespace found. Counts by ``resource.group``, and by finalizer."""

    remaining: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.remaining and not self.failures


def plan_conditions(current: list[Object] | None, contents: Contents, now: datetime) -> list[Object]:
    """The namespace's conditions after an attempt."""
    conditions = list(current or ())
    for kind, bad, good in (
        ("NamespaceDeletionDiscoveryFailure", None, ("ResourcesDiscovered", "All resources successfully discovered")),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            ("ContentDeletionFailed", _failed(contents)) if contents.failures else None,
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            ("SomeResourcesRemain", _remaining(contents.remaining)) if contents.remaining else None,
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            ("SomeFinalizersRemain", _finalizers(contents.finalizers)) if contents.finalizers else None,
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ):
        reason, message = bad or good
        conditions = with_condition(
            conditions,
            {
                "type": kind,
                "status": "True" if bad else "False",
                "reason": reason,
                "message": message,
                "lastTransitionTime": format_time(now),
            },
        )
    return conditions


def _failed(contents: Contents) -> str:
    return f"Failed to delete all resource types, {len(contents.failures)} remaining: {', '.join(contents.failures)}"


def _remaining(counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} has {number} resource instances" for name, number in sorted(counts.items()))
    return f"Some resources are remaining: {listed}"


def _finalizers(counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} in {number} resource instances" for name, number in sorted(counts.items()))
    return f"Some content in the namespace has finalizers remaining: {listed}"
