"""Acting as somebody else: ``Impersonate-*`` headers, each value of which needs its own permission.

Follows ``apiserver/pkg/endpoints/filters/impersonation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from apiserver.auth.access import Access
from apiserver.auth.authorization import Authorization
from apiserver.auth.identity import (
    ANONYMOUS,
    AUTHENTICATED,
    SERVICE_ACCOUNT_PREFIX,
    Identity,
    service_account_groups,
)
from minikube_py.api.errors import BadRequest

USER = "Impersonate-User"
GROUP = "Impersonate-Group"
UID = "Impersonate-Uid"
EXTRA = "impersonate-extra-"

_AUTHENTICATION = "authentication.k8s.io"

#: Headers with all their values, names in lower case.
Headers = Mapping[str, list[str]]


def impersonated(user: Identity, headers: Headers, authorization: Authorization) -> Identity:
    """The identity to act as: ``user`` itself without such headers. Raises Forbidden, BadRequest."""
    names = headers.get(USER.lower(), [])
    groups, uids = headers.get(GROUP.lower(), []), headers.get(UID.lower(), [])
    extra = {unquote(name.removeprefix(EXTRA)): values for name, values in headers.items() if name.startswith(EXTRA)}
    if not names:
        if groups or uids or extra:
            raise BadRequest(f"requested {_listing(groups, uids, extra)} without impersonating a user")
        return user
    for access in _needed(names[0], groups, uids, extra):
        authorization.require(user, access)
    return Identity(names[0], tuple(_all_groups(names[0], groups)), uids[0] if uids else "", extra)


def _listing(groups: list[str], uids: list[str], extra: Mapping[str, list[str]]) -> str:
    return str([*groups, *uids, *extra])


def _needed(name: str, groups: list[str], uids: list[str], extra: Mapping[str, list[str]]) -> Iterator[Access]:
    if name.startswith(SERVICE_ACCOUNT_PREFIX) and name.count(":") == 3:
        namespace, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")
        yield Access("impersonate", "", "v1", "serviceaccounts", namespace=namespace, name=account)
    else:
        yield Access("impersonate", "", "v1", "users", name=name)
    for group in groups:
        yield Access("impersonate", "", "v1", "groups", name=group)
    for uid in uids:
        yield Access("impersonate", _AUTHENTICATION, "v1", "uids", name=uid)
    for key, values in extra.items():
        for value in values:
            yield Access("impersonate", _AUTHENTICATION, "v1", "userextras", key, name=value)


def _all_groups(name: str, groups: list[str]) -> Iterator[str]:
    """The groups asked for, and those that come with the name."""
    yield from groups
    if name.startswith(SERVICE_ACCOUNT_PREFIX) and name.count(":") == 3 and not groups:
        yield from service_account_groups(name.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")[0])
    if name != ANONYMOUS.name and AUTHENTICATED not in groups:
        yield AUTHENTICATED
