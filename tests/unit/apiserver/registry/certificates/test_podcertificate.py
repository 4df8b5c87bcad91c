"""PodCertificateRequests."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from minikube_py.api.meta import format_time
from minikube_py.api.resources import PODCERTIFICATEREQUESTS as REQUESTS

Object = dict[str, Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
EMPTY = x509.Name([])


def _stub(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    built = x509.CertificateSigningRequestBuilder().subject_name(EMPTY).sign(key, hashes.SHA256())
    return base64.b64encode(built.public_bytes(Encoding.DER)).decode()


def _request(**spec: Any) -> Object:
    named = {f"{kind}{what}": "it" for kind in ("pod", "serviceAccount", "node") for what in ("Name", "UID")}
    given = {"signerName": "example.com/signer", "maxExpirationSeconds": 86400, "stubPKCS10Request": _stub()}
    return {"metadata": {"name": "req"}, "spec": named | given | spec}


def _chain(key: ec.EllipticCurvePrivateKey = KEY, hours: int = 24) -> str:
    end = NOW + timedelta(hours=hours)
    builder = x509.CertificateBuilder(EMPTY, EMPTY, key.public_key(), 1, NOW, end)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _issued(hours: int = 24, **status: Any) -> Object:
    times = {"notBefore": NOW, "notAfter": NOW + timedelta(hours=hours), "beginRefreshAt": NOW + timedelta(minutes=30)}
    shown = {name: format_time(moment) for name, moment in times.items()}
    return {"conditions": [_condition("Issued")], "certificateChain": _chain(hours=hours), **shown} | status


def _condition(kind: str, status: str = "True") -> Object:
    return {"type": kind, "status": status, "reason": "Why", "lastTransitionTime": format_time(NOW)}


def test_a_request_waits_until_it_is_issued(registry: Any) -> None:
    request = registry.create(REQUESTS, _request())
    assert registry.cells(REQUESTS, request)["State"] == "Pending"
    issued = registry.update(REQUESTS, request | {"status": _issued()}, request, subresource="status")
    assert registry.cells(REQUESTS, issued)["State"] == "Issued"
    later = issued | {"status": _issued(conditions=[_condition("Failed")])}
    assert registry.update_refused(REQUESTS, later, issued, subresource="status") == [
        "status: Invalid value: immutable after PodCertificateRequest is issued, denied, or failed"
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"podUID": ""}, 'spec.podUID: Invalid value: "": must not be empty'),
        ({"maxExpirationSeconds": 60}, "spec.maxExpirationSeconds: Invalid value: 60: must be in the range "
         "[3600, 7862400]"),
        ({"signerName": "kubernetes.io/x", "maxExpirationSeconds": 90000}, "spec.maxExpirationSeconds: Invalid value: "
         "90000: must be in the range [3600, 86400]"),
        ({"stubPKCS10Request": ""}, "spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, "
         "proofOfPossession) must be set"),
        ({"stubPKCS10Request": "AAAA"}, "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"),
        ({"unverifiedUserAnnotations": {"plain": "x"}}, 'spec.unverifiedUserAnnotations: Invalid value: "plain": '
         'must be a domain-prefixed key (such as "acme.io/foo")'),
    ],
)  # fmt: skip
def test_what_is_refused(registry: Any, spec: Object, expected: str) -> None:
    assert registry.refused(REQUESTS, _request(**spec)) == [expected]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"certificateChain": "x"}, 'status: Invalid value: status is immutable unless transitioning to "Issued", '
         '"Denied", or "Failed"'),
        ({"conditions": [_condition("Done")]}, 'status.conditions[0].type: Unsupported value: "Done": supported '
         'values: "Issued", "Denied", "Failed"'),
        (_issued(conditions=[_condition("Denied")]), "status: Invalid value: non-condition status fields must be empty "
         "when denying or failing the PodCertificateRequest"),
        (_issued(certificateChain=""), 'status.certificateChain: Invalid value: "": issued certificate chain must '
         "contain at least one certificate"),
        (_issued(notAfter=None), "status.notAfter: Required value: must be present and consistent with the issued "
         "certificate"),
        (_issued(hours=48), 'status.certificateChain: Invalid value: "172800s": leaf certificate lifetime must be <= '
         "spec.maxExpirationSeconds (86400)"),
        (_issued(beginRefreshAt=format_time(NOW)), 'status.beginRefreshAt: Invalid value: "2026-01-02T03:04:05Z": '
         "must be at least 10 minutes after status.notBefore"),
    ],
)  # fmt: skip
def test_what_a_signer_may_not_do(registry: Any, status: Object, expected: str) -> None:
    request = registry.create(REQUESTS, _request())
    changed = request | {"status": {name: value for name, value in status.items() if value is not None}}
    assert registry.update_refused(REQUESTS, changed, request, subresource="status") == [expected]


def test_a_certificate_is_for_the_key_that_was_asked_for(registry: Any) -> None:
    request = registry.create(REQUESTS, _request())
    stolen = request | {"status": _issued(certificateChain=_chain(ec.generate_private_key(ec.SECP256R1())))}
    (said,) = registry.update_refused(REQUESTS, stolen, request, subresource="status")
    assert said.endswith("leaf certificate was not issued to the requested public key")


def test_what_was_asked_stays(registry: Any) -> None:
    request = registry.create(REQUESTS, _request())
    (said,) = registry.update_refused(REQUESTS, request | {"spec": _request(podName="other")["spec"]}, request)
    assert said.startswith("spec: Invalid value: ")
    assert said.endswith(": field is immutable")
