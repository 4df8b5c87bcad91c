"""Who asks: the user that authentication found out, and the identities the cluster itself knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minikube_py.api.types import Object

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"
SERVICE_ACCOUNTS = "system:serviceaccounts"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated user (``authentication.k8s.io`` UserInfo)."""

    name: str
    groups: Sequence[str] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> Object:
        """The user as a ``UserInfo``."""
        info: Object = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


#: What the server does on its own account.
LOOPBACK = Identity("system:apiserver", (MASTERS, AUTHENTICATED))
ANONYMOUS = Identity("system:anonymous", ("system:unauthenticated",))


def authenticated(identity: Identity) -> Identity:
    """The identity with the group that every authenticated user is in."""
    if AUTHENTICATED in identity.groups:
        return identity
    return Identity(identity.name, (*identity.groups, AUTHENTICATED), identity.uid, identity.extra)


def service_account_name(namespace: str, name: str) -> str:
    """The user name of a ServiceAccount."""
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of a namespace's ServiceAccounts."""
    return (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}")


def node_name(identity: Identity) -> str | None:
    """The node an agent speaks for, None for anybody else."""
    if NODES in identity.groups and identity.name.startswith(NODE_PREFIX):
        return identity.name.removeprefix(NODE_PREFIX)
    return None
