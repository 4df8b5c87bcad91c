"""Tells of front ends that should be served and are not: once each, to whom the Service belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.model import Frontend, Route

REASON = "AddressNotServed"
#: How long after a change its sockets are looked at: those of the host are asked for over a connection.
LOOK_SECONDS = 1.0


class ProblemTeller:
    """Compares what a data plane says now with what it said before. ``tell`` gets a Service and a sentence."""

    def __init__(self, tell: Callable[[ObjectKey, str], None]) -> None:
        self._tell = tell
        self._told: dict[Frontend, str] = {}

    def look(self, problems: Mapping[Frontend, str], routes: Mapping[Frontend, Route]) -> None:
        """What is new, or has another reason than before, is told; what is solved may be told again."""
        for frontend, reason in problems.items():
            route = routes.get(frontend)
            if route is not None and self._told.get(frontend) != reason:
                self._tell(route.port.service, f"{frontend} is not served: {reason}")
        self._told = dict(problems)
