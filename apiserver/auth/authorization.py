"""Whether a user may do what is asked: the first authorizer that says yes decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apiserver.auth.access import Access, Decision, access_of, refusal
from apiserver.auth.identity import MASTERS, Identity
from apiserver.routes.request import RequestInfo


class Authorizer(Protocol):
    """One source of permissions. It can only allow: what nobody allows is denied."""

    def decide(self, user: Identity, access: Access) -> Decision:
        """Whether this source allows it, and why not where it has something to say."""
        ...


class AlwaysAllow:
    """Everybody who is somebody may do everything."""

    def decide(self, user: Identity, access: Access) -> Decision:
        """Allows."""
        del user, access
        return Decision(True)


class Authorization:
    """The authorizers in their order. Members of system:masters may do everything."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def decide(self, user: Identity, access: Access) -> Decision:
        """The decision about one access."""
        if MASTERS in user.groups:
            return Decision(True)
        reasons: list[str] = []
        for authorizer in self._authorizers:
            decision = authorizer.decide(user, access)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    def check(self, user: Identity, info: RequestInfo) -> None:
        """Raises Forbidden where the request is not allowed."""
        if MASTERS not in user.groups:
            self.require(user, access_of(info))

    def require(self, user: Identity, access: Access) -> None:
        """Raises Forbidden where the access is not allowed."""
        decision = self.decide(user, access)
        if not decision.allowed:
            raise refusal(user, access, decision.reason)
