"""The cluster's public-key infrastructure: one certificate authority and a certificate for every identity.

Names and groups are those of kubeadm (kubernetes.io: "PKI certificates and requirements"): the API server reads the
common name as the user and the organisations as its groups. Keys are EC P-256: made in well under a millisecond.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from minikube_py.cluster.files import write_private
from minikube_py.cluster.identity import Identity
from minikube_py.config.parts import KeyPair

_LIFETIME = timedelta(days=3650)
#: Clocks of clients may be behind ours.
_BACKDATED = timedelta(hours=1)


class Authority:
    """A certificate authority that writes key pairs into a directory (files mode 0600)."""

    def __init__(self, directory: Path, *, name: str = "minik-ca", now: datetime | None = None) -> None:
        self._directory = directory
        self._now = now or datetime.now(UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(Identity(name))
        self._certificate = self._sign_authority()
        self.pair = self._write("ca", self._certificate, self._key)

    @property
    def bundle(self) -> Path:
        """The CA certificate, PEM."""
        return self.pair.certificate

    def issue(self, file_name: str, identity: Identity) -> KeyPair:
        """A key pair signed by this authority, for client authentication, and for serving where it has server names."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_subject(identity), key.public_key()).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        names = _alternative_names(identity)
        if names:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = (
            builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return self._write(file_name, builder.sign(self._key, hashes.SHA256()), key)

    def write_signing_key(self, file_name: str) -> Path:
        """A bare private key, for signing ServiceAccount tokens (ES256)."""
        path = self._directory / f"{file_name}.key"
        write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
        return path

    def _sign_authority(self) -> x509.Certificate:
        public = self._key.public_key()
        return (
            self._builder(self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _BACKDATED)
            .not_valid_after(self._now + _LIFETIME)
        )

    def _write(self, file_name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
        pair = KeyPair(
            certificate=self._directory / f"{file_name}.crt",
            key=self._directory / f"{file_name}.key",
        )
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        write_private(pair.key, _pem(key))
        return pair


def _subject(identity: Identity) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in identity.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)])


def _alternative_names(identity: Identity) -> list[x509.GeneralName]:
    addresses: Iterable[x509.GeneralName] = (
        x509.IPAddress(ipaddress.ip_address(address)) for address in identity.server_addresses
    )
    return [*(x509.DNSName(name) for name in identity.server_names), *addresses]


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
