"""The strategy of every built-in kind, found by its resource. Adding a kind is a module and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from apiserver.registry.strategy import KindStrategy, Strategy
from minikube_py.api.resources import Resource
from minikube_py.config.parts import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What strategies share: one per API server."""

    network: Network = field(default_factory=Network)


#: Makes the strategy of one resource.
Factory = Callable[[Resource, Dependencies], Strategy]

_FACTORIES: Mapping[tuple[str, str], Factory] = {}


def strategy_for(resource: Resource, deps: Dependencies) -> Strategy:
    """The strategy of ``resource``; a kind without rules of its own gets the generic one."""
    factory = _FACTORIES.get((resource.group, resource.kind))
    if factory is not None:
        return factory(resource, deps)
    return KindStrategy(resource=resource, has_status=resource.subresource("status") is not None)
