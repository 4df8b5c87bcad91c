"""Questions about who one is and what one may do: answered and forgotten.

The SubjectAccessReview family (``authorization.k8s.io``), TokenReview and SelfSubjectReview (``authentication``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from aiohttp import web

from apiserver.auth.access import Access
from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Authorization
from apiserver.auth.identity import Identity
from apiserver.auth.rbac import RBAC
from apiserver.auth.tokens import ServiceAccountTokens
from apiserver.routes.bodies import read_object
from apiserver.routes.dispatch import ReviewRoute
from apiserver.routes.negotiation import NO_FORM, negotiate
from apiserver.routes.options import write_options
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer, send
from apiserver.schema.schema import Schema
from minikube_py.api.errors import BadRequest, NotAcceptable
from minikube_py.api.fields import FieldError, invalid, invalid_object
from minikube_py.api.meta import metadata
from minikube_py.api.resources import ResourceTable
from minikube_py.api.types import Object

Answerer = Callable[[Object, Identity, RequestInfo], dict[str, Any]]


class Reviews:
    """The routes of reviews. ``rbac`` is None where everything is allowed."""

    def __init__(
        self,
        *,
        schema: Schema,
        table: ResourceTable,
        authenticator: Authenticator,
        authorization: Authorization,
        tokens: ServiceAccountTokens,
        rbac: RBAC | None,
    ) -> None:
        self._schema = schema
        self._table = table
        self._authenticator = authenticator
        self._authorization = authorization
        self._tokens = tokens
        self._rbac = rbac

    def table(self) -> Mapping[str, ReviewRoute]:
        """The routes by plural."""
        answerers: dict[str, Answerer] = {
            "subjectaccessreviews": self._subject_access,
            "localsubjectaccessreviews": self._local_access,
            "selfsubjectaccessreviews": self._self_access,
            "selfsubjectrulesreviews": self._self_rules,
            "selfsubjectreviews": lambda _review, user, _info: {"userInfo": user.to_json()},
            "tokenreviews": self._token,
        }
        return {plural: self._route(answerer) for plural, answerer in answerers.items()}

    def _route(self, answerer: Answerer) -> ReviewRoute:
        async def serve(request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
            resource = self._table.find(info.group, info.version, info.plural)
            assert resource is not None  # the dispatcher has found it
            if negotiate(request.headers.get("Accept", "")).shape != "plain":
                raise NotAcceptable(NO_FORM)
            options = write_options(info.query, "CreateOptions")
            review = (await read_object(request, self._schema, resource, options)).object
            review["status"] = answerer(review, user, info)
            self._schema.complete(review, resource)
            return await send(request, Answer(201, orjson.dumps(review)))

        return serve

    def _decide(self, user: Identity, access: Access) -> dict[str, Any]:
        decision = self._authorization.decide(user, access)
        status: dict[str, Any] = {"allowed": decision.allowed}
        return status | ({"reason": decision.reason} if decision.reason else {})

    def _self_access(self, review: Object, user: Identity, info: RequestInfo) -> dict[str, Any]:
        del info
        spec = review.get("spec") or {}
        _check_access("SelfSubjectAccessReview", spec)
        return self._decide(user, asked_access(spec))

    def _subject_access(self, review: Object, user: Identity, info: RequestInfo) -> dict[str, Any]:
        del user, info
        spec = review.get("spec") or {}
        _check_access("SubjectAccessReview", spec, needs_subject=True)
        return self._decide(_subject(spec), asked_access(spec))

    def _local_access(self, review: Object, user: Identity, info: RequestInfo) -> dict[str, Any]:
        del user
        spec = review.get("spec") or {}
        _check_access("LocalSubjectAccessReview", spec, needs_subject=True)
        namespace = (spec.get("resourceAttributes") or {}).get("namespace") or ""
        if namespace != info.namespace or metadata(review).get("namespace") not in (None, "", info.namespace):
            raise BadRequest(f"spec.resourceAttributes.namespace must match namespace: {info.namespace}")
        return self._decide(_subject(spec), asked_access(spec))

    def _self_rules(self, review: Object, user: Identity, info: RequestInfo) -> dict[str, Any]:
        del info
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise BadRequest("no namespace on request")
        if self._rbac is None:
            held: Iterable[Any] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        else:
            held = list(self._rbac.grants(user).rules(namespace))
        resource_rules = [rule for rule in held if "resources" in rule]
        other_rules = [rule for rule in held if "nonResourceURLs" in rule]
        return {"resourceRules": resource_rules, "nonResourceRules": other_rules, "incomplete": False}

    def _token(self, review: Object, user: Identity, info: RequestInfo) -> dict[str, Any]:
        del user, info
        spec = review.get("spec") or {}
        token, audiences = spec.get("token") or "", spec.get("audiences") or []
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        found = self._tokens.review(token, audiences)
        if found is not None:
            return {"authenticated": True, "user": found[0].to_json(), "audiences": found[1]}
        if audiences and self._tokens.issuer not in audiences:
            return {"user": {}, "error": f"token audiences is invalid for the target audiences {audiences}"}
        known = self._authenticator.token_identity(token)
        if known is None:
            return {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
        return {"authenticated": True, "user": known.to_json(), "audiences": [self._tokens.issuer]}


def asked_access(spec: Object) -> Access:
    """The access that a review asks about."""
    other = spec.get("nonResourceAttributes")
    if other:
        return Access(str(other.get("verb") or "").lower(), path=str(other.get("path") or ""))
    asked = spec.get("resourceAttributes") or {}
    return Access(
        asked.get("verb") or "",
        asked.get("group") or "",
        asked.get("version") or "",
        asked.get("resource") or "",
        asked.get("subresource") or "",
        asked.get("namespace") or "",
        asked.get("name") or "",
        field_selector=(asked.get("fieldSelector") or {}).get("rawSelector") or "",
    )


def _subject(spec: Object) -> Identity:
    return Identity(
        spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", spec.get("extra") or {}
    )


def _check_access(kind: str, spec: Object, *, needs_subject: bool = False) -> None:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    errors: list[FieldError] = []
    if needs_subject and not spec.get("user") and not spec.get("groups"):
        errors.append(invalid("spec.user", spec.get("user") or "", "at least one of user or group must be specified"))
    if resource and other:
        detail = "cannot be specified in combination with resourceAttributes"
        errors.append(invalid("spec.nonResourceAttributes", other, detail))
    if not resource and not other:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(invalid("spec.resourceAttributes", None, detail))
    if errors:
        raise invalid_object("authorization.k8s.io", kind, "", errors)
