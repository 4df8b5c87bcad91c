"""What a diagnosis says: causes with their fixes, and notes that explain without accusing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable, for programs. A ``note`` is worth knowing but is no fault."""

    code: str
    cause: str
    fix: str = ""
    note: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about ``subject``, which is written as "service default/web"."""

    subject: str
    findings: tuple[Finding, ...] = ()

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The faults; the first is the one to mend first."""
        return tuple(finding for finding in self.findings if not finding.note)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What explains, but is no fault."""
        return tuple(finding for finding in self.findings if finding.note)

    @property
    def healthy(self) -> bool:
        """Whether no cause was found."""
        return not self.causes

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "subject": self.subject,
            "healthy": self.healthy,
            "causes": [{"code": each.code, "cause": each.cause, "fix": each.fix} for each in self.causes],
            "notes": [{"code": each.code, "note": each.cause, "fix": each.fix} for each in self.notes],
        }


#: A step of the decision tree.
Step = Callable[[], Iterable[Finding]]


def first_causes(steps: Iterable[Step]) -> Iterator[Finding]:
    """The findings of the steps up to the first with a cause: what comes later would only be its consequence."""
    for step in steps:
        found = tuple(step())
        yield from found
        if any(not finding.note for finding in found):
            return
