"""Signing with the cluster's authority: what a certificate says, and for how long.

Follows ``pkg/controller/certificates/authority``: subject and alternative names are the request's, usages and lifetime
the policy's, and nothing else of the request gets into the certificate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from minikube_py.config.parts import KeyPair
from minikube_py.controllers.certificates.requests import alternative_names

#: kube-controller-manager's --cluster-signing-duration, and the lifetimes its signers keep to.
LONGEST = timedelta(days=365)
_SHORTEST = timedelta(minutes=10)
_BACKDATED = timedelta(minutes=5)
#: What lives shorter than this is not made shorter still by being dated back.
_SHORT_LIVED = timedelta(hours=8)

_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_PURPOSES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}


def lifetime(seconds: int | None) -> timedelta:
    """How long a certificate is good for whose request asks for ``seconds`` (spec.expirationSeconds)."""
    return LONGEST if seconds is None else min(LONGEST, max(_SHORTEST, timedelta(seconds=seconds)))


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and the key that signs in its name."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @classmethod
    def read(cls, pair: KeyPair) -> Authority:
        """Read PEM files. Raises OSError, ValueError."""
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        if not isinstance(key, get_args(CertificateIssuerPrivateKeyTypes)):
            raise ValueError(f"{pair.key}: this kind of key signs no certificates")
        return cls(x509.load_pem_x509_certificate(pair.certificate.read_bytes()), key)

    def sign(
        self, wanted: x509.CertificateSigningRequest, usages: Iterable[str], seconds: int | None, now: datetime
    ) -> bytes:
        """The certificate, PEM. Raises ValueError where the authority has expired, or for a forged request."""
        if not wanted.is_signature_valid:
            raise ValueError("unable to verify certificate request signature")
        begin, end = self._validity(lifetime(seconds), now)
        builder = (
            x509.CertificateBuilder()
            .subject_name(wanted.subject)
            .issuer_name(self.certificate.subject)
            .public_key(wanted.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )
        for extension, critical in self._extensions(wanted, list(usages)):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _validity(self, life: timedelta, now: datetime) -> tuple[datetime, datetime]:
        ends = self.certificate.not_valid_after_utc
        if now >= ends:
            raise ValueError(f"the signer has expired: NotAfter={ends}")
        begin = now - _BACKDATED
        return begin, min(ends, now + life if life < _SHORT_LIVED else begin + life)

    def _extensions(
        self, wanted: x509.CertificateSigningRequest, usages: list[str]
    ) -> Iterable[tuple[x509.ExtensionType, bool]]:
        chosen = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
        purposes = {_PURPOSES[usage] for usage in usages if usage in _PURPOSES}
        if chosen:
            yield _key_usage(chosen), True
        if purposes:
            yield x509.ExtendedKeyUsage(sorted(purposes, key=lambda purpose: purpose.dotted_string)), False
        yield x509.BasicConstraints(ca=False, path_length=None), True
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key()), False  # type: ignore[arg-type]
        names = alternative_names(wanted)
        if names:
            yield x509.SubjectAlternativeName(names), not list(wanted.subject)


def _key_usage(chosen: set[str]) -> x509.KeyUsage:
    """X.509 knows "encipher only" and "decipher only" as restrictions of key agreement alone (RFC 5280, 4.2.1.3)."""
    agreement = "key_agreement" in chosen
    flags = {name: name in chosen for name in _KEY_USAGES.values()}
    return x509.KeyUsage(
        **flags | {name: agreement and name in chosen for name in ("encipher_only", "decipher_only")},
    )
