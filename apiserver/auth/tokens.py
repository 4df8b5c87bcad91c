"""ServiceAccount tokens: signed, bound to what they were made for, expiring (KEP-1205).

ES256 JSON Web Tokens (RFC 7519). A token is good while its signature, time and audience are, and while its
ServiceAccount, and the pod, secret or node it is bound to, are still the ones it was made for.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.identity import Identity, authenticated, service_account_groups, service_account_name
from apiserver.registry.context import Reader
from minikube_py.aio.clock import Clock
from minikube_py.api.meta import is_deleting, new_uid, uid_of
from minikube_py.api.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS, Resource
from minikube_py.api.types import Object

_ALGORITHM = "ES256"
_KUBERNETES = "kubernetes.io"
#: Verified tokens that are remembered: checking a signature costs more than all the rest of a GET.
_REMEMBERED = 4_096
_BOUND: Mapping[str, Resource] = MappingProxyType({"pod": PODS, "secret": SECRETS, "node": NODES})
_EXTRA = "authentication.kubernetes.io/"

Claims = dict[str, Any]


def default_issuer(domain: str) -> str:
    """The issuer, which is also the audience of the API server itself."""
    return f"https://kubernetes.default.svc.{domain}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs, and its public half as a JSON Web Key."""

    private: ec.EllipticCurvePrivateKey
    key_id: str

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """A PEM private key on P-256. Raises OSError, ValueError."""
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{path} is not an EC private key")
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(key, _base64url(hashlib.sha256(der).digest()))

    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517)."""
        numbers = self.private.public_key().public_numbers()
        return {
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": _ALGORITHM,
            "x": _base64url(numbers.x.to_bytes(32, "big")),
            "y": _base64url(numbers.y.to_bytes(32, "big")),
        }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class ServiceAccountTokens:
    """Makes tokens and recognises them."""

    def __init__(self, *, key: SigningKey, issuer: str, reader: Reader, clock: Clock) -> None:
        self._key = key
        self.issuer = issuer
        self._reader = reader
        self._clock = clock
        self._remembered: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(
        self, account: Object, *, audiences: Sequence[str], seconds: int, bound: Mapping[str, Object]
    ) -> tuple[str, datetime]:
        """A token for a ServiceAccount, and when it expires. ``bound`` maps pod, secret or node to the object."""
        now = int(self._clock.now().timestamp())
        meta = account["metadata"]
        private: Claims = {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        for kind, obj in bound.items():
            private[kind] = {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
        claims = {
            "aud": list(audiences) or [self.issuer],
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": new_uid(),
            _KUBERNETES: private,
            "nbf": now,
            "sub": service_account_name(meta["namespace"], meta["name"]),
        }
        token = jwt.encode(claims, self._key.private, algorithm=_ALGORITHM, headers={"kid": self._key.key_id})
        return token, datetime.fromtimestamp(now + seconds, self._clock.now().tzinfo)

    def authenticate(self, token: str) -> Identity | None:
        """Whose token it is, if it is ours, for us, and still good."""
        found = self.review(token, ())
        return found[0] if found else None

    def review(self, token: str, audiences: Sequence[str]) -> tuple[Identity, list[str]] | None:
        """The user and those of ``audiences`` (ours where empty) that the token is for."""
        claims = self._verified(token)
        if claims is None:
            return None
        now = self._clock.now().timestamp()
        meant = [name for name in audiences or (self.issuer,) if name in claims["aud"]]
        if not meant or not claims["nbf"] <= now < claims["exp"]:
            return None
        private = claims[_KUBERNETES]
        if not self._account_lives(private) or not all(self._lives(private, kind) for kind in _BOUND):
            return None
        return _identity(claims, private), meant

    def _verified(self, token: str) -> Claims | None:
        """The claims of a token that we signed; its time is the caller's to check."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._remembered.get(digest)
        if known is not None:
            self._remembered.move_to_end(digest)
            return known
        claims = self._decoded(token)
        if claims is not None:
            self._remembered[digest] = claims
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return claims

    def _decoded(self, token: str) -> Claims | None:
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims: Claims = jwt.decode(
                token, self._key.private.public_key(), algorithms=[_ALGORITHM], issuer=self.issuer, options=options
            )
        except jwt.PyJWTError:
            return None
        return claims if isinstance(claims.get(_KUBERNETES), dict) else None

    def _account_lives(self, private: Claims) -> bool:
        account = self._reader.get(SERVICEACCOUNTS, private["namespace"], private["serviceaccount"]["name"])
        return account is not None and uid_of(account) == private["serviceaccount"]["uid"]

    def _lives(self, private: Claims, kind: str) -> bool:
        reference = private.get(kind)
        if reference is None or (kind == "node" and "pod" in private):
            return True  # a pod's node is told for information only
        resource = _BOUND[kind]
        obj = self._reader.get(resource, private["namespace"] if resource.namespaced else "", reference["name"])
        return obj is not None and uid_of(obj) == reference["uid"] and not self._is_over(obj)

    def _is_over(self, obj: Object) -> bool:
        """A deleted pod's token is good for a minute longer, while the pod says goodbye."""
        if not is_deleting(obj):
            return False
        deadline = datetime.fromisoformat(obj["metadata"]["deletionTimestamp"]).timestamp() + 60
        return self._clock.now().timestamp() > deadline


def _identity(claims: Claims, private: Claims) -> Identity:
    namespace, account = private["namespace"], private["serviceaccount"]
    extra: dict[str, Sequence[str]] = {f"{_EXTRA}credential-id": [f"JTI={claims['jti']}"]}
    for kind in ("pod", "node"):
        if reference := private.get(kind):
            extra[f"{_EXTRA}{kind}-name"] = [reference["name"]]
            extra[f"{_EXTRA}{kind}-uid"] = [reference["uid"]]
    name = service_account_name(namespace, account["name"])
    return authenticated(Identity(name, service_account_groups(namespace), account["uid"], extra))


def discovery_document(issuer: str) -> bytes:
    """``/.well-known/openid-configuration`` (OpenID Connect Discovery 1.0)."""
    return orjson.dumps(
        {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }
    )


def key_set(key: SigningKey) -> bytes:
    """``/openid/v1/jwks`` (RFC 7517)."""
    return orjson.dumps({"keys": [key.jwk()]})
