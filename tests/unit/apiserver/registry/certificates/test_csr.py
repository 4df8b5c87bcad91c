"""CertificateSigningRequests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS as REQUESTS

Object = dict[str, Any]


def _pem() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ann")])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(Encoding.PEM)).decode()


def _request(**spec: Any) -> Object:
    given = {"request": _pem(), "signerName": "example.com/signer", "usages": ["client auth"]} | spec
    return {"metadata": {"name": "Ann:1"}, "spec": given}


def _decide(request: Object, *kinds: str) -> Object:
    return request | {"status": {"conditions": [{"type": kind, "status": "True"} for kind in kinds]}}


def test_who_asks_is_recorded(registry: Any) -> None:
    request = registry.create(REQUESTS, _request(username="root", groups=["system:masters"]))
    assert request["spec"]["username"] == "system:anonymous"
    assert request["spec"]["groups"] == ["system:unauthenticated"]
    row = registry.cells(REQUESTS, request | {"spec": request["spec"] | {"expirationSeconds": 3600}})
    assert list(row.values()) == ["Ann:1", "0s", "example.com/signer", "system:anonymous", "60m", "Pending"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"request": ""}, 'spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST'),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["signing", "signing"]}, 'spec.usages[1]: Duplicate value: "signing"'),
        ({"expirationSeconds": 60}, "spec.expirationSeconds: Invalid value: 60: "
         "may not specify a duration less than 600 seconds (10 minutes)"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "spec.signerName: Invalid value: "
         '"kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version'),
    ],
)  # fmt: skip
def test_what_is_refused(registry: Any, spec: Object, expected: str) -> None:
    assert registry.refused(REQUESTS, _request(**spec)) == [expected]


def test_approval_is_made_through_its_own_door(registry: Any) -> None:
    request = registry.create(REQUESTS, _request())
    approved = registry.update(REQUESTS, _decide(request, "Approved"), request, subresource="approval")
    assert approved["status"]["conditions"] == [
        {
            "type": "Approved",
            "status": "True",
            "lastUpdateTime": "2026-01-02T03:04:05Z",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ]
    assert registry.cells(REQUESTS, approved)["Condition"] == "Approved"
    assert registry.update_refused(REQUESTS, _decide(request, "Approved"), request, subresource="status") == [
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    ]


def test_decisions_are_not_taken_back(registry: Any) -> None:
    request = _decide(registry.create(REQUESTS, _request()), "Approved")
    assert registry.update_refused(REQUESTS, _decide(request, "Denied"), request, subresource="approval") == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    both = _decide(request, "Approved", "Denied")
    assert registry.update_refused(REQUESTS, both, request, subresource="approval") == [
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]


def test_certificates_come_from_the_signer(registry: Any) -> None:
    request = _decide(registry.create(REQUESTS, _request()), "Approved")
    issued = request | {"status": request["status"] | {"certificate": "bm8="}}
    assert registry.update_refused(REQUESTS, issued, request, subresource="status") == [
        'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'
    ]
    ordinary = registry.update(REQUESTS, issued, request)
    assert "certificate" not in ordinary["status"]
