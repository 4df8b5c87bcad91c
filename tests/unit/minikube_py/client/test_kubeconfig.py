"""Kubeconfig files as people have them."""

from __future__ import annotations

import base64
import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from minikube_py.client.kubeconfig import KubeconfigFault, kubeconfig_paths, load_kubeconfig


def pair() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(path: Path, *, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> Path:
    document = {
        "current-context": "minik",
        "contexts": [{"name": "minik", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_inline_certificates(tmp_path: Path) -> None:
    certificate, key = pair()
    path = write(
        tmp_path / "config",
        user={
            "client-certificate-data": base64.b64encode(certificate).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        },
        cluster={"certificate-authority-data": base64.b64encode(certificate).decode()},
    )
    context = load_kubeconfig([path])
    assert (context.name, context.namespace, context.access.server) == ("minik", "team", "https://127.0.0.1:6443")
    assert context.access.tls is not None
    assert context.access.tls.verify_mode is ssl.CERT_REQUIRED
    assert context.access.token is None


def test_files_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    certificate, key = pair()
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key)
    (tmp_path / "t").write_text("secret")
    path = write(
        tmp_path / "config",
        user={"client-certificate": "c.pem", "client-key": "k.pem", "tokenFile": "t"},
        cluster={"certificate-authority": "c.pem", "insecure-skip-tls-verify": True},
    )
    access = load_kubeconfig([path]).access
    assert access.token is not None
    assert access.token() == "secret"
    assert access.tls is not None
    assert access.tls.verify_mode is ssl.CERT_NONE


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "first", user={"token": "one"})
    second = write(tmp_path / "second", user={"token": "two"})
    other = tmp_path / "other"
    other.write_text(
        yaml.safe_dump(
            {
                "contexts": [{"name": "plain", "context": {"cluster": "plain"}}],
                "clusters": [{"name": "plain", "cluster": {"server": "http://127.0.0.1:8080"}}],
            }
        )
    )
    paths = [tmp_path / "missing", first, second, other]
    access = load_kubeconfig(paths).access
    assert access.token is not None
    assert access.token() == "one"
    plain = load_kubeconfig(paths, "plain")
    assert (plain.access.tls, plain.access.token, plain.namespace) == (None, None, "default")


@pytest.mark.parametrize(
    ("user", "context", "message"),
    [
        ({}, "unknown", "the kubeconfig has no context 'unknown'"),
        ({"exec": {"command": "aws"}}, None, "user 'u' authenticates by 'exec', which minik does not support"),
        ({"client-key": "missing.pem"}, None, "client-key: "),
        ({"client-certificate-data": "!!"}, None, "client-certificate-data is not base64"),
        ({"client-certificate-data": "eA==", "client-key-data": "eA=="}, None, "unusable certificate or key"),
    ],
)
def test_what_leads_nowhere(tmp_path: Path, user: dict[str, Any], context: str | None, message: str) -> None:
    with pytest.raises(KubeconfigFault) as raised:
        load_kubeconfig([write(tmp_path / "config", user=user)], context)
    assert str(raised.value).startswith(message)


def test_without_a_file_there_is_no_context(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigFault, match="no current context"):
        load_kubeconfig([tmp_path / "missing"])
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(KubeconfigFault, match="broken"):
        load_kubeconfig([broken])


def test_where_kubectl_looks() -> None:
    assert kubeconfig_paths({"KUBECONFIG": "/a::/b"}) == [Path("/a"), Path("/b")]
    assert kubeconfig_paths({"HOME": "/home/x"}) == [Path("/home/x/.kube/config")]
