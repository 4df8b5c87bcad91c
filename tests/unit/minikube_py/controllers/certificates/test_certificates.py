"""Signing requests: who may have what, what the certificate says, and when the request goes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from minikube_py.cluster.certificates import Authority as Issuer
from minikube_py.controllers.certificates import cleaning, requests
from minikube_py.controllers.certificates.signing import Authority

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NODE = ("digital signature", "client auth")
SERVING = ("digital signature", "key encipherment", "server auth")
MISSING = "missing required usage for client certificate: client auth"
DNS = x509.DNSName("node-1")


def wanted(
    name: str = "jo", groups: tuple[str, ...] = (), names: tuple[x509.GeneralName, ...] = ()
) -> x509.CertificateSigningRequest:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([*subject, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def node(*names: x509.GeneralName, name: str = "system:node:n", group: str = "system:nodes") -> Any:
    return wanted(name, (group,), names)


@pytest.mark.parametrize(
    ("signer", "asked", "usages", "fault"),
    [
        (requests.CLIENT, wanted(), ("client auth",), ""),
        (requests.CLIENT, wanted(), ("digital signature", "key encipherment", "client auth"), ""),
        (requests.CLIENT, wanted(), ("server auth",), "invalid usage for client certificate: server auth"),
        (requests.CLIENT, wanted(), ("digital signature",), MISSING),
        (requests.KUBELET_CLIENT, node(), NODE, ""),
        (requests.KUBELET_CLIENT, node(group="devs"), NODE, "subject organization is not system:nodes"),
        (requests.KUBELET_CLIENT, node(DNS), NODE, "DNS subjectAltNames are not allowed"),
        (requests.KUBELET_CLIENT, node(name="jo"), NODE, "subject common name does not begin with system:node:"),
        (
            requests.KUBELET_CLIENT, node(), SERVING,
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (requests.KUBELET_SERVING, node(DNS), SERVING, ""),
        (requests.KUBELET_SERVING, node(), SERVING, "DNS or IP subjectAltName is required"),
        (
            requests.KUBELET_SERVING, node(DNS, x509.RFC822Name("a@b.c")), SERVING,
            "Email subjectAltNames are not allowed",
        ),
        (requests.LEGACY, wanted(), ("code signing",), ""),
    ],
)  # fmt: skip
def test_each_signer_has_its_rules(signer: str, asked: Any, usages: tuple[str, ...], fault: str) -> None:
    try:
        requests.check(signer, asked, usages)
    except requests.Unsuitable as error:
        assert str(error) == fault
    else:
        assert fault == ""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.read(Issuer(tmp_path_factory.mktemp("pki"), now=NOW).pair)


@pytest.mark.parametrize(
    ("seconds", "begin", "end"),
    [
        (None, timedelta(minutes=-5), timedelta(days=365, minutes=-5)),
        (3600, timedelta(minutes=-5), timedelta(hours=1)),
        (1, timedelta(minutes=-5), timedelta(minutes=10)),
        (10**9, timedelta(minutes=-5), timedelta(days=365, minutes=-5)),
    ],
)
def test_a_certificate_lives_as_long_as_asked_within_limits(
    authority: Authority, seconds: int | None, begin: timedelta, end: timedelta
) -> None:
    signed = x509.load_pem_x509_certificate(authority.sign(wanted(), ["client auth"], seconds, NOW))
    assert (signed.not_valid_before_utc - NOW, signed.not_valid_after_utc - NOW) == (begin, end)


def test_a_certificate_has_the_requests_names_and_the_policys_usages(authority: Authority) -> None:
    asked = wanted("jo", ("devs",), (DNS,))
    signed = x509.load_pem_x509_certificate(
        authority.sign(asked, ["digital signature", "client auth", "decipher only"], 600, NOW)
    )
    signed.verify_directly_issued_by(authority.certificate)
    assert signed.subject == asked.subject
    assert list(signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [DNS]
    assert list(signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert signed.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not signed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_an_expired_authority_signs_nothing(tmp_path: Path) -> None:
    old = Authority.read(Issuer(tmp_path, now=NOW - timedelta(days=4000)).pair)
    with pytest.raises(ValueError, match="the signer has expired"):
        old.sign(wanted(), ["client auth"], None, NOW)


def request(signer: str = requests.CLIENT, certificate: bytes = b"", **conditions: str) -> dict[str, Any]:
    """A request; ``conditions`` are types and when they were set."""
    found = [{"type": kind, "status": "True", "lastUpdateTime": time} for kind, time in conditions.items()]
    status = {"conditions": found} | ({"certificate": base64.b64encode(certificate).decode()} if certificate else {})
    return {
        "metadata": {"name": "r", "creationTimestamp": "2026-01-02T00:00:00Z"},
        "spec": {"signerName": signer},
        "status": status if found else {},
    }


@pytest.mark.parametrize(
    ("asked", "awaits"),
    [
        (request(Approved="t"), True),
        (request(), False),
        (request(Approved="t", Denied="t"), False),
        (request(Approved="t", Failed="t"), False),
        (request("example.com/mine", Approved="t"), False),
        (request(certificate=b"x", Approved="t"), False),
    ],
)
def test_only_approved_requests_of_our_signers_await_a_signature(asked: dict[str, Any], awaits: bool) -> None:
    assert requests.awaits_signature(asked) is awaits


@pytest.mark.parametrize(
    ("asked", "hours"),
    [
        (request(), 24),
        (request(Denied="2026-01-02T01:00:00Z"), 2),
        (request(Approved="2026-01-02T01:00:00Z"), 25),
        (request(certificate=b"x", Approved="2026-01-02T01:00:00Z"), 2),
    ],
)
def test_a_request_goes_when_it_has_served(asked: dict[str, Any], hours: int) -> None:
    assert cleaning.expires_at(asked) == NOW + timedelta(hours=hours)


def test_a_request_goes_with_its_certificate(authority: Authority) -> None:
    signed = authority.sign(wanted(), ["client auth"], 600, NOW)
    assert cleaning.expires_at(request(certificate=signed, Approved="2026-01-02T00:00:00Z")) == NOW + timedelta(
        minutes=10
    )


def test_a_nodes_own_request_is_known() -> None:
    encoded = base64.b64encode(node().public_bytes(serialization.Encoding.PEM)).decode()
    asked = {"spec": {"signerName": requests.KUBELET_CLIENT, "request": encoded, "usages": list(NODE)}}
    assert requests.is_node_client(asked, requests.parsed(asked))
    assert not requests.is_node_client(
        {"spec": asked["spec"] | {"signerName": requests.CLIENT}}, requests.parsed(asked)
    )
