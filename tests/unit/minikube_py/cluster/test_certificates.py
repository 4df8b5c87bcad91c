"""Certificates that real TLS accepts, and files that only their owner reads."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from minikube_py.cluster.certificates import Authority
from minikube_py.cluster.identity import Identity
from minikube_py.config.parts import KeyPair


def _handshake(server: KeyPair, client: KeyPair, ca: Path, name: str) -> ssl.SSLObject:
    """A TLS handshake in memory, both sides verified; returns the server's end."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server.certificate, server.key)
    serving.load_verify_locations(ca)
    serving.verify_mode = ssl.CERT_REQUIRED
    asking = ssl.create_default_context(cafile=str(ca))
    asking.load_cert_chain(client.certificate, client.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = serving.wrap_bio(to_server, to_client, server_side=True)
    other = asking.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (other, one):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return one


def test_a_server_is_reached_by_name_and_address_and_sees_its_client(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server", Identity("s", server_names=("localhost",), server_addresses=("127.0.0.1",)))
    client = authority.issue("client", Identity("system:node:n1", ("system:nodes",)))
    for name in ("localhost", "127.0.0.1"):
        peer = _handshake(server, client, authority.bundle, name).getpeercert()
        assert peer is not None
        assert (("commonName", "system:node:n1"),) in peer["subject"]
        assert (("organizationName", "system:nodes"),) in peer["subject"]


def test_groups_are_organizations_in_order(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("c", Identity("u", ("g1", "g2")))
    subject = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).subject
    assert [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["g1", "g2"]


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("c", Identity("u"))
    authority.write_signing_key("sa")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
