"""One question to the authorizers: may this user do this? And how a refusal reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from apiserver.auth.identity import Identity
from apiserver.routes.request import RequestInfo
from minikube_py.api.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked for (``authorizer.Attributes``). ``path`` is set for what is not a resource.

    ``field_selector`` is that of a list or watch: what a node may list depends on it.
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""

    @property
    def full_resource(self) -> str:
        """``pods/log``: as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Decision(NamedTuple):
    """The answer, and why not where somebody said so."""

    allowed: bool
    reason: str = ""


def access_of(info: RequestInfo) -> Access:
    """What a request asks for."""
    if not info.is_resource:
        return Access(info.verb, path=info.path)
    return Access(
        info.verb,
        info.group,
        info.version,
        info.plural,
        info.subresource,
        info.namespace,
        info.name,
        field_selector=info.parameter("fieldSelector"),
    )


def describe(user: Identity, access: Access) -> str:
    """What the user cannot do, in upstream's words."""
    if access.path:
        return f'User "{user.name}" cannot {access.verb} path "{access.path}"'
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {access.verb} resource "{access.full_resource}" '
        f'in API group "{access.group}" {where}'
    )


def refusal(user: Identity, access: Access, reason: str) -> Forbidden:
    """The 403 of a denied request."""
    text = describe(user, access) + (f": {reason}" if reason else "")
    if access.path:
        return Forbidden(f"forbidden: {text}")
    resource = f"{access.resource}.{access.group}" if access.group else access.resource
    details: dict[str, Any] = {"kind": access.resource}
    if access.group:
        details["group"] = access.group
    if access.name:
        details["name"] = access.name
        resource = f'{resource} "{access.name}"'
    return Forbidden(f"{resource} is forbidden: {text}", details=details)
