"""``serviceaccounts/token``: a token on request (``authentication.k8s.io`` TokenRequest).

Follows ``pkg/registry/core/serviceaccount/storage/token.go``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apiserver.auth.tokens import ServiceAccountTokens
from apiserver.refusals import conflict, not_found
from apiserver.registry.context import Reader
from minikube_py.api.errors import BadRequest
from minikube_py.api.fields import FieldError, invalid, invalid_object
from minikube_py.api.meta import format_time, metadata, new_uid, uid_of
from minikube_py.api.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS
from minikube_py.api.types import Object

_SHORTEST_SECONDS = 600
_DEFAULT_SECONDS = 3600
_LONGEST_SECONDS = 1 << 32
_BINDABLE = {("v1", "Pod"): ("pod", PODS), ("v1", "Secret"): ("secret", SECRETS), ("v1", "Node"): ("node", NODES)}


def grant(tokens: ServiceAccountTokens, reader: Reader, namespace: str, name: str, request: Object) -> Object:
    """The TokenRequest with its token. Raises NotFound, Conflict, BadRequest, Invalid."""
    account = reader.get(SERVICEACCOUNTS, namespace, name)
    if account is None:
        raise not_found(SERVICEACCOUNTS, name)
    spec: dict[str, Any] = dict(request.get("spec") or {})
    seconds = spec.get("expirationSeconds") or _DEFAULT_SECONDS
    _check(request, name, seconds)
    bound = _bound(reader, namespace, name, spec.get("boundObjectRef"))
    audiences = spec.get("audiences") or [tokens.issuer]
    token, expires = tokens.issue(account, audiences=audiences, seconds=seconds, bound=bound)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": new_uid(),
            "creationTimestamp": format_time(expires - timedelta(seconds=seconds)),
        },
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {"token": token, "expirationTimestamp": format_time(expires)},
    }


def _check(request: Object, name: str, seconds: int) -> None:
    if metadata(request).get("name") not in (None, "", name):
        raise BadRequest("name must match the name of the service account")
    errors: list[FieldError] = []
    if seconds < _SHORTEST_SECONDS:
        errors.append(invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _LONGEST_SECONDS:
        errors.append(invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    if errors:
        raise invalid_object("authentication.k8s.io", "TokenRequest", "", errors)


def _bound(reader: Reader, namespace: str, account: str, reference: Object | None) -> dict[str, Object]:
    """The object that a token is bound to; with a pod, its node too."""
    if not reference:
        return {}
    kind = (reference.get("apiVersion") or "", reference.get("kind") or "")
    if kind not in _BINDABLE:
        raise BadRequest(f"cannot bind token for serviceaccount {account!r} to {kind[0]}/{kind[1]}".replace("'", '"'))
    label, resource = _BINDABLE[kind]
    found = reader.get(resource, namespace if resource.namespaced else "", reference.get("name") or "")
    if found is None:
        raise not_found(resource, reference.get("name") or "")
    uid = reference.get("uid")
    if uid and uid != uid_of(found):
        why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
        raise conflict(resource, reference["name"], why + "The object might have been deleted and then recreated")
    bound = {label: found}
    if label == "pod":
        if (found["spec"].get("serviceAccountName") or "") != account:
            raise BadRequest(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        node = reader.get(NODES, "", found["spec"].get("nodeName") or "")
        bound |= {"node": node} if node is not None else {}
    return bound
