"""CertificateSigningRequests: who asks is recorded by the server, who approves decides through a subresource."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.registry.certificates.conditions import (
    conditions_of,
    fill_times,
    keep_decisions,
    validate_conditions,
    validate_decisions,
)
from apiserver.registry.checks import Errors, Fields, one_of, same, unique
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.projected import validate_signer_name
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age, human_duration
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_SHORTEST = 600
_LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_REQUEST_HEADER = "-----BEGIN CERTIFICATE REQUEST-----"
_CERTIFICATE = "status.certificate"


def _any_name(_name: str, _prefix: bool = False) -> list[str]:
    return []


def _prepare_new(request: Object, ctx: RequestContext) -> None:
    spec, user = request.setdefault("spec", {}), ctx.user
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    if user.name:
        spec["username"] = user.name
    if user.uid:
        spec["uid"] = user.uid
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}


def _keep_spec(new: Object, old: Object, _ctx: RequestContext) -> None:
    new["spec"] = old["spec"]


def _prepare_status(new: Object, old: Object, ctx: RequestContext) -> None:
    keep_all_but_status(new, old, ctx)
    keep_decisions(new, old)
    fill_times(new, old, ctx.now)


def _prepare_approval(new: Object, old: Object, ctx: RequestContext) -> None:
    keep_all_but_status(new, old, ctx)
    fill_times(new, old, ctx.now)
    decided = conditions_of(new)
    new["status"] = dict(old.get("status") or {}) | ({"conditions": decided} if decided else {})


def _request_fault(encoded: str) -> str:
    """Why a request cannot be read, "" if it can."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if _REQUEST_HEADER not in text:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        sound = x509.load_pem_x509_csr(text.encode()).is_signature_valid
    except (ValueError, TypeError) as error:
        return f"asn1: {error}"
    return "" if sound else "x509: ECDSA verification failure"


def _validate(request: Object, errors: Errors) -> None:
    spec = request.get("spec") or {}
    if fault := _request_fault(spec.get("request") or ""):
        errors.append(invalid("spec.request", spec.get("request"), fault))
    usages, signer, seconds = spec.get("usages") or [], spec.get("signerName") or "", spec.get("expirationSeconds")
    if not usages:
        errors.append(required("spec.usages"))
    for index, usage in enumerate(usages):
        one_of(usage, _USAGES, f"spec.usages[{index}]", errors)
    unique(usages, lambda index: f"spec.usages[{index}]", errors)
    if signer == _LEGACY_SIGNER:
        detail = "the legacy signerName is not allowed via this API version"
        errors.append(invalid("spec.signerName", signer, detail))
    else:
        validate_signer_name(signer, "spec.signerName", errors)
    if seconds is not None and seconds < _SHORTEST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", seconds, detail))
    validate_conditions(request, errors)


def _certificate_of(request: Object) -> str:
    found: str = (request.get("status") or {}).get("certificate") or ""
    return found


def _certificate_fault(encoded: str) -> str:
    try:
        certificates = x509.load_pem_x509_certificates(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        return "must contain at least one CERTIFICATE PEM block"
    return "" if all(item.public_bytes(Encoding.DER) for item in certificates) else "no certificate"


def _update_check(*, decides: bool = False, issues: bool = False) -> Callable[[Object, Object, Errors], None]:
    """The checks of one door: the approver ``decides``, the signer ``issues``."""

    def validate(new: Object, old: Object, errors: Errors) -> None:
        _validate(new, errors)
        certificate, before = _certificate_of(new), _certificate_of(old)
        if certificate and certificate != before and (fault := _certificate_fault(certificate)):
            errors.append(invalid(_CERTIFICATE, "<certificate data>", fault))
        validate_decisions(new, old, errors, allowed=decides)
        if same(certificate, before):
            return
        if not issues:
            errors.append(forbidden(_CERTIFICATE, "updates may not set certificate content"))
        elif before:
            errors.append(forbidden(_CERTIFICATE, "updates may not modify existing certificate content"))

    return validate


def _state(request: Object) -> str:
    kinds = {condition.get("type") for condition in conditions_of(request)}
    decided = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    failed = ",Failed" if "Failed" in kinds else ""
    return decided + failed + (",Issued" if _certificate_of(request) else "")


def _cells(request: Object, now: datetime) -> list[Any]:
    spec: Fields = request.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        name_of(request),
        age(request, now),
        spec.get("signerName") or NONE,
        spec.get("username") or "",
        NONE if seconds is None else human_duration(seconds),
        _state(request),
    ]


_TABLE = Table(
    (
        NAME,
        AGE,
        Column("SignerName", description="Who is asked to sign."),
        Column("Requestor", description="Who asks."),
        Column("RequestedDuration", description="How long the certificate should be valid."),
        Column("Condition", description="What was decided."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """CertificateSigningRequests."""
    return KindStrategy(
        resource=resource,
        name_rule=_any_name,
        has_status=True,
        prepare_new=_prepare_new,
        prepare_change=_keep_spec,
        validate_new=_validate,
        validate_change=_update_check(),
        subresources={
            "status": UpdateRules(prepare=_prepare_status, validate=_update_check(issues=True)),
            "approval": UpdateRules(prepare=_prepare_approval, validate=_update_check(decides=True)),
        },
        table=_TABLE,
    )
