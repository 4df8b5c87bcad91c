"""PodCertificateRequests (KEP-4317): a node asks for a certificate in the name of one of its pods."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from apiserver.registry.certificates.trustbundle import certificate_of
from apiserver.registry.checks import Errors, Fields, check, immutable, same
from apiserver.registry.conditions import is_true, validate_conditions
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.projected import longest_certificate, user_annotations, validate_signer_name
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status, keep_metadata
from apiserver.registry.table import NAME, Column, Table, format_labels, wide
from minikube_py.api import names
from minikube_py.api.fields import FieldError, invalid, not_supported, required, too_long
from minikube_py.api.meta import name_of, parse_time
from minikube_py.api.pem import blocks
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_OUTCOMES = ("Issued", "Denied", "Failed")
_LARGEST_REQUEST = 10 * 1024
_LARGEST_CHAIN = 100 * 1024
_SHORTEST = 3600
_NEAR = timedelta(minutes=5)
_MARGIN = timedelta(minutes=10)
_REQUEST, _CHAIN = "spec.stubPKCS10Request", "status.certificateChain"
_KEYS = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
_RSA_SIZES = (3072, 4096)

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def _fault(path: str, detail: str) -> FieldError:
    """An invalid value that is too long, or too secret, to be told."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {detail}")


def _default(request: Object) -> None:
    spec = request.setdefault("spec", {})
    if spec.get("maxExpirationSeconds") is None:
        spec["maxExpirationSeconds"] = 86400


def _validate_identity(spec: Fields, errors: Errors) -> None:
    for kind in ("pod", "serviceAccount", "node"):
        check(names.subdomain_name, spec.get(f"{kind}Name") or "", f"spec.{kind}Name", errors)
        uid, path = spec.get(f"{kind}UID") or "", f"spec.{kind}UID"
        if not uid:
            errors.append(invalid(path, uid, "must not be empty"))
        elif len(uid) > 128:
            errors.append(too_long(path, 128))


def _validate(request: Object, errors: Errors) -> None:
    spec = request.get("spec") or {}
    signer, seconds = spec.get("signerName") or "", spec["maxExpirationSeconds"]
    validate_signer_name(signer, "spec.signerName", errors)
    user_annotations(spec.get("unverifiedUserAnnotations") or {}, "spec.unverifiedUserAnnotations", errors)
    _validate_identity(spec, errors)
    longest = longest_certificate(signer)
    if not _SHORTEST <= seconds <= longest:
        errors.append(invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [{_SHORTEST}, {longest}]"))
    if not spec.get("stubPKCS10Request"):
        errors.append(_fault("spec", _KEYS))
    elif fault := _request_fault(_decoded(spec["stubPKCS10Request"])):
        errors.append(fault)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""


def _request_fault(der: bytes) -> FieldError | None:
    if len(der) > _LARGEST_REQUEST:
        return too_long(_REQUEST, _LARGEST_REQUEST)
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        sound = request.is_signature_valid
    except (ValueError, TypeError):
        return _fault(_REQUEST, "must be a valid PKCS#10 CSR")
    if not isinstance(key, PublicKey):
        return _fault(_REQUEST, "unknown public key type; supported types are Ed25519, ECDSA, and RSA")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
        detail = "elliptic public keys must use curve P256, P384, or P521"
        return invalid(_REQUEST, f"curve {key.curve.name}", detail)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size not in _RSA_SIZES:
        detail = "RSA keys must have modulus size 3072 or 4096"
        return invalid(_REQUEST, f"{key.key_size}-bit modulus", detail)
    return None if sound else _fault(_REQUEST, "invalid signature")


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("spec"), old.get("spec"), "spec", errors)


def _prepare_status(new: Object, old: Object, ctx: RequestContext) -> None:
    keep_all_but_status(new, old, ctx)
    keep_metadata(new, old)


def _outcome(request: Object) -> str:
    return next((kind for kind in _OUTCOMES if is_true(request, kind)), "")


def _validate_outcomes(conditions: list[Fields], errors: Errors) -> None:
    path, known = "status.conditions", 0
    for index, condition in enumerate(conditions):
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if kind not in _OUTCOMES:
            errors.append(not_supported(f"{path}[{index}].type", kind, _OUTCOMES))
            continue
        known += 1
        if known > 1:
            detail = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            errors.append(invalid(f"{path}[{index}].type", kind, detail))
        if status != "True":
            errors.append(not_supported(f"{path}[{index}].status", status, ("True",)))
    validate_conditions(conditions, path, errors)


def _validate_status(new: Object, old: Object, ctx: RequestContext, errors: Errors) -> None:
    status, before = new.get("status") or {}, old.get("status") or {}
    _validate_outcomes(status.get("conditions") or [], errors)
    if errors:
        return
    outcome = _outcome(new)
    if _outcome(old):
        if not same(status, before):
            errors.append(_fault("status", "immutable after PodCertificateRequest is issued, denied, or failed"))
    elif outcome == "Issued":
        errors.extend(_issue_faults(old["spec"], status, ctx.now))
    elif outcome:
        if not same(status, {"conditions": status.get("conditions")}):
            detail = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
            errors.append(_fault("status", detail))
    elif not same(status, before):
        detail = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
        errors.append(_fault("status", detail))


def _issue_faults(spec: Fields, status: Fields, now: datetime) -> Errors:
    """What is wrong with what a signer issued: the chain first, then the times that go with it."""
    chain = status.get("certificateChain") or ""
    if len(chain) > _LARGEST_CHAIN:
        return [too_long(_CHAIN, _LARGEST_CHAIN)]
    found = list(blocks(chain))
    if not found:
        return [invalid(_CHAIN, chain, "issued certificate chain must contain at least one certificate")]
    if any(block.label != "CERTIFICATE" for block in found):
        return [invalid(_CHAIN, chain, "issued certificate chain must consist entirely of CERTIFICATE PEM blocks")]
    leaf, *others = (certificate_of(block) for block in found)
    if leaf is None:
        return [invalid(_CHAIN, chain, "leaf certificate does not parse as valid X.509")]
    requested = x509.load_der_x509_csr(_decoded(spec["stubPKCS10Request"])).public_key()
    if _spki(requested) != _spki(leaf.public_key()):
        return [invalid(_CHAIN, chain, "leaf certificate was not issued to the requested public key")]
    if faults := _time_faults(spec, status, leaf, now):
        return faults
    if None in others:
        return [invalid(_CHAIN, chain, "intermediate certificate does not parse as valid X.509")]
    return []


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def _time_faults(spec: Fields, status: Fields, leaf: x509.Certificate, now: datetime) -> Errors:
    present = "must be present and consistent with the issued certificate"
    refresh = "must be present and in the range [notbefore+10min, notafter-10min]"
    details = {"notBefore": present, "notAfter": present, "beginRefreshAt": refresh}
    missing = [required(f"status.{name}", text) for name, text in details.items() if not status.get(name)]
    if missing:
        return missing
    begin, end, refreshed = (parse_time(status[name]) for name in details)
    lifetime, most = end - begin, spec["maxExpirationSeconds"]
    checks = (
        (begin == leaf.not_valid_before_utc, "notBefore", "must be set to the NotBefore time encoded in the leaf "
         "certificate"),
        (abs(begin - now) < _NEAR, "notBefore", "must be set to within 5 minutes of kube-apiserver's current time"),
        (end == leaf.not_valid_after_utc, "notAfter", "must be set to the NotAfter time encoded in the leaf "
         "certificate"),
        (lifetime >= timedelta(hours=1), "certificateChain", "leaf certificate lifetime must be >= 1 hour"),
        (lifetime <= timedelta(seconds=most), "certificateChain",
         f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})"),
        (refreshed >= begin + _MARGIN, "beginRefreshAt", "must be at least 10 minutes after status.notBefore"),
        (refreshed <= end - _MARGIN, "beginRefreshAt", "must be at least 10 minutes before status.notAfter"),
    )  # fmt: skip
    wrong = next(((name, detail) for holds, name, detail in checks if not holds), None)
    if wrong is None:
        return []
    name, detail = wrong
    shown = f"{int(lifetime.total_seconds())}s" if name == "certificateChain" else status[name]
    return [invalid(f"status.{name}", shown, detail)]


def _validate_door(new: Object, old: Object | None, ctx: RequestContext, errors: Errors) -> None:
    if old is not None:
        _validate_status(new, old, ctx, errors)


def _cells(request: Object, _now: datetime) -> list[Any]:
    spec = request.get("spec") or {}
    shown = [spec.get(name) or "" for name in ("podName", "serviceAccountName", "nodeName", "signerName")]
    annotations = format_labels(spec.get("unverifiedUserAnnotations"))
    return [name_of(request), *shown, _outcome(request) or "Pending", annotations]


_TABLE = Table(
    (
        NAME,
        Column("PodName", description="The pod that the certificate is for."),
        Column("ServiceAccountName", description="The pod's account."),
        Column("NodeName", description="The node that asks."),
        Column("SignerName", description="Who is asked to sign."),
        Column("State", description="What became of it."),
        wide("UnverifiedUserAnnotations", "What the pod's author tells the signer."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PodCertificateRequests."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        validate_new=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=_prepare_status, validate_in_context=_validate_door)},
        table=_TABLE,
        allow_unconditional_update=False,
    )
