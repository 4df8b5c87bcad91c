"""A real API server on a free port, with a CA, certificates and tokens made for the test.

async with running_apiserver(tmp_path) as api:
    client = Client.from_access(api.access)          # as admin (system:masters)
    api.url, api.ssl, api.access_of("system:node:n1", "system:nodes")
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver.app import APIServer
from minikube_py.aio.clock import Clock
from minikube_py.config.parts import ApiAccess, APIServerConfig, KeyPair

ADMIN = ("admin", "system:masters")
TOKEN = "test-token"


@dataclass
class Authority:
    """A CA in a directory, and the certificates it signs."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    issued: dict[tuple[str, ...], KeyPair] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        certificate = self._builder(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        certificate = certificate.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        self.pair = self._write("ca", certificate.sign(self.key, hashes.SHA256()), self.key)

    def issue(self, user: str, *groups: str, server: bool = False) -> KeyPair:
        """A certificate for a user in groups, or for a server on loopback."""
        known = self.issued.get((user, *groups))
        if known is not None:
            return known
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = (
            self._builder(subject, key.public_key())
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        pair = self._write(f"cert-{len(self.issued)}", builder.sign(self.key, hashes.SHA256()), key)
        self.issued[(user, *groups)] = pair
        return pair

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
        pair = KeyPair(certificate=self.folder / f"{stem}.crt", key=self.folder / f"{stem}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


@dataclass
class RunningAPI:
    """A started server and the ways to reach it."""

    server: APIServer
    authority: Authority

    @property
    def url(self) -> str:
        """``https://127.0.0.1:port``"""
        return self.server.url

    @property
    def access(self) -> ApiAccess:
        """As the administrator."""
        return self.access_of(*ADMIN)

    def access_of(self, user: str, *groups: str) -> ApiAccess:
        """As any user in any groups."""
        return ApiAccess(
            server=self.url, ca=self.authority.pair.certificate, client=self.authority.issue(user, *groups)
        )

    @property
    def ssl(self) -> ssl.SSLContext:
        """A client context as the administrator."""
        return client_context(self.access)

    def kubeconfig(self, path: Path, access: ApiAccess | None = None) -> Path:
        """Write a kubeconfig, for real kubectls."""
        chosen = access or self.access
        assert chosen.client is not None
        path.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
            f"clusters: [{{name: test, cluster: {{server: '{chosen.server}', certificate-authority: {chosen.ca}}}}}]\n"
            "contexts: [{name: test, context: {cluster: test, user: test}}]\n"
            f"users: [{{name: test, user: {{client-certificate: {chosen.client.certificate}, "
            f"client-key: {chosen.client.key}}}}}]\n"
        )
        return path


def client_context(access: ApiAccess) -> ssl.SSLContext:
    """A TLS context for ``access``; without a client certificate where it has none."""
    context = ssl.create_default_context(cafile=str(access.ca))
    if access.client is not None:
        context.load_cert_chain(access.client.certificate, access.client.key)
    return context


def server_config(authority: Authority, **settings: Any) -> APIServerConfig:
    """A configuration that listens on a free loopback port."""
    tokens = authority.folder / "tokens.csv"
    tokens.write_text(f'{TOKEN},token-user,token-uid,"group-a,group-b"\n')
    service_accounts = authority.issue("service-accounts", server=True)
    return APIServerConfig(
        **{
            "listen": ("127.0.0.1:0",),
            "serving": authority.issue("kube-apiserver", server=True),
            "client_ca": authority.pair.certificate,
            "token_file": tokens,
            "service_account_key": service_accounts.key,
            "kubelet_client": authority.issue("kube-apiserver-kubelet-client", "system:masters"),
            **settings,
        }
    )


@asynccontextmanager
async def running_apiserver(
    folder: Path, *, clock: Clock | None = None, authority: Authority | None = None, **settings: Any
) -> AsyncIterator[RunningAPI]:
    """A server with files in ``folder``; ``settings`` override fields of its APIServerConfig."""
    authority = authority or Authority(folder)
    server = APIServer(server_config(authority, **settings), clock=clock)
    await server.start()
    try:
        yield RunningAPI(server, authority)
    finally:
        await server.stop()
