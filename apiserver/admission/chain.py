"""The ordered chain of admission plugins: first all that may change an object, then all that may only refuse it.

Plugins are synchronous: from here to the commit nothing awaits, so what a plugin reads is what the commit finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from apiserver.registry.context import Reader, User
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One request as plugins see it. ``obj`` (absent for DELETE) may be changed in place by ``admit`` only."""

    operation: Operation
    resource: Resource
    user: User
    reader: Reader
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    obj: Object | None = None
    old: Object | None = None
    dry_run: bool = False
    now: datetime = _LONG_AGO


class Plugin(Protocol):
    """One rule. Both methods raise StatusError (mostly Forbidden) to refuse, and return warnings."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Change the object."""
        ...

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Refuse what must not be."""
        ...


class PassivePlugin:
    """The base of plugins that do only one of the two."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        del attributes
        return ()

    def validate(self, attributes: Attributes) -> Sequence[str]:
        del attributes
        return ()


class AdmissionChain:
    """Plugins in their order; each is called only for what it overrides."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        base = PassivePlugin
        self._admitting = [each.admit for each in plugins if getattr(type(each), "admit", None) is not base.admit]
        self._validating = [
            each.validate for each in plugins if getattr(type(each), "validate", None) is not base.validate
        ]

    def admit(self, attributes: Attributes) -> list[str]:
        """Let every plugin change the object; returns warnings."""
        return [text for admit in self._admitting for text in admit(attributes)]

    def validate(self, attributes: Attributes) -> list[str]:
        """Let every plugin refuse the request; returns warnings."""
        return [text for validate in self._validating for text in validate(attributes)]
