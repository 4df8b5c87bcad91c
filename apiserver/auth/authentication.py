"""Finding out who asks: client certificate first, then bearer token. Who shows neither is ``system:anonymous``."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from apiserver.auth.identity import ANONYMOUS, Identity, authenticated
from minikube_py.api.errors import Unauthorized


class TokenAuthenticator(Protocol):
    """One kind of bearer token."""

    def authenticate(self, token: str) -> Identity | None:
        """Whose token it is; None where it is not of this kind. Raises Unauthorized for a bad one of this kind."""
        ...


def identity_of_certificate(certificate: Any) -> Identity | None:
    """The user that a verified peer certificate (``SSLObject.getpeercert``) names: CN is the user, O its groups."""
    name, groups = "", []
    for relative_name in (certificate or {}).get("subject", ()):
        for attribute, value in relative_name:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
    return authenticated(Identity(name, tuple(groups))) if name else None


class StaticTokens:
    """Tokens from a CSV file: ``token,user,uid[,"group,group"]`` (kube-apiserver's ``--token-auth-file``)."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._identities: dict[bytes, Identity] = {}
        for row in rows:
            if len(row) < 3 or not row[0].strip():
                continue
            token, name, uid, *rest = (cell.strip() for cell in row)
            groups = tuple(group.strip() for group in rest[0].split(",")) if rest and rest[0] else ()
            self._identities[_digest(token)] = authenticated(Identity(name, groups, uid))

    @classmethod
    def read(cls, path: Path) -> StaticTokens:
        """Read the file. Raises OSError."""
        with path.open(newline="") as file:
            return cls(list(csv.reader(file)))

    def authenticate(self, token: str) -> Identity | None:
        """See ``TokenAuthenticator``. Looked up by digest, so that timing tells nothing about tokens."""
        return self._identities.get(_digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Authenticator:
    """Certificate, then token. ``identity`` raises Unauthorized for a token that nobody knows.

    ``anonymous`` is upstream's ``--anonymous-auth``: without credentials one is a user too, and authorization decides
    (kubernetes.io: "Anonymous requests"). Where everything is allowed it has to be off.
    """

    def __init__(self, tokens: Sequence[TokenAuthenticator], *, anonymous: bool) -> None:
        self._tokens = tuple(tokens)
        self._anonymous = anonymous

    def identity(self, certificate: Identity | None, authorization: str) -> Identity:
        """The user of a request. ``certificate`` is what its connection proved, ``authorization`` the header."""
        if certificate is not None:
            return certificate
        token = bearer_token(authorization)
        if not token and self._anonymous:
            return ANONYMOUS
        found = self.token_identity(token) if token else None
        if found is None:
            raise Unauthorized()
        return found

    def token_identity(self, token: str) -> Identity | None:
        """Whose token it is, None where nobody knows it."""
        for authenticator in self._tokens:
            found = authenticator.authenticate(token)
            if found is not None:
                return authenticated(found)
        return None


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header, "" where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
