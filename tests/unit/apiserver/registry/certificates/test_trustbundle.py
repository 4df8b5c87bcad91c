"""ClusterTrustBundles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from minikube_py.api.resources import CLUSTERTRUSTBUNDLES as BUNDLES

Object = dict[str, Any]
SIGNER = "example.com/signer"
OMITTED = 'spec.trustBundle: Invalid value: "<value omitted>": '


def _certificate(*, ca: bool = True, name: str = "root") -> str:
    key, start = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 1, 1, tzinfo=UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


ROOT, LEAF = _certificate(), _certificate(ca=False)


def _bundle(name: str = "example.com:signer:one", signer: str = SIGNER, trust: str = ROOT) -> Object:
    return {"metadata": {"name": name}, "spec": {"signerName": signer, "trustBundle": trust}}


def test_a_bundle_is_shown_with_its_signer(registry: Any) -> None:
    assert list(registry.cells(BUNDLES, registry.create(BUNDLES, _bundle())).values())[1] == SIGNER
    plain = registry.create(BUNDLES, _bundle("plain", ""))
    assert registry.cells(BUNDLES, plain) == {"Name": "plain", "SignerName": "<none>"}


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (_bundle("plain"), 'metadata.name: Invalid value: "plain": ClusterTrustBundle for signerName '
         "example.com/signer must be named with prefix example.com:signer:"),
        (_bundle("a:b", ""), 'metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not '
         'have ":" in its name'),
        (_bundle(trust="words"), f"{OMITTED}at least one trust anchor must be provided"),
        (_bundle(trust=LEAF), f"{OMITTED}entry 0 does not have the CA bit set"),
        (_bundle(trust=f"words\n{ROOT}between\n{ROOT}"), f"{OMITTED}duplicate trust anchor (indices [0 1])"),
        (_bundle(trust=ROOT.replace("CERTIFICATE", "TRUSTED THING")), f"{OMITTED}entry 0 has bad block type: "
         "TRUSTED THING"),
        (_bundle(trust=ROOT.replace("-----\n", "-----\nkey: value\n\n", 1)), f"{OMITTED}entry 0 has PEM block headers"),
        (_bundle(trust=ROOT[:28] + "AAAA\n" + ROOT[28:]), f"{OMITTED}entry 0 does not parse as X.509"),
        (_bundle(trust="x" * (1 << 20) + "y"), "spec.trustBundle: Too long: may not be more than 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_refused(registry: Any, bundle: Object, expected: str) -> None:
    assert registry.refused(BUNDLES, bundle) == [expected]


def test_a_signer_stays_and_anchors_are_read_when_they_change(registry: Any) -> None:
    bundle = registry.create(BUNDLES, _bundle())
    changed = bundle | {"spec": {"signerName": "example.com/other", "trustBundle": LEAF}}
    assert registry.update_refused(BUNDLES, changed, bundle) == [
        'metadata.name: Invalid value: "example.com:signer:one": ClusterTrustBundle for signerName example.com/other '
        "must be named with prefix example.com:other:",
        f"{OMITTED}entry 0 does not have the CA bit set",
        'spec.signerName: Invalid value: "example.com/other": field is immutable',
    ]
