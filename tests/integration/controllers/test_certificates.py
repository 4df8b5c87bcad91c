"""From a signing request to a connection with the certificate, and the requests of nodes, which approve themselves."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from minikube_py.api.errors import Forbidden
from minikube_py.api.resources import (
    CERTIFICATESIGNINGREQUESTS,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    SELFSUBJECTREVIEWS,
)
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.config.parts import ApiAccess, KeyPair
from tests.integration.controllers.conftest import Cluster
from tests.support.apiserver import RunningAPI

CLIENT = "kubernetes.io/kube-apiserver-client"
_RENEW = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"


def signing_request(key: ec.EllipticCurvePrivateKey, name: str, *groups: str, signer: str = CLIENT) -> Object:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name.replace(":", "-")},
        "spec": {
            "request": base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": signer,
            "usages": ["digital signature", "client auth"],
            "expirationSeconds": 3600,
        },
    }


async def signed(cluster: Cluster, name: str) -> bytes:
    async def certificate() -> str:
        request = await cluster.client.get(CERTIFICATESIGNINGREQUESTS, name)
        found: str = (request.get("status") or {}).get("certificate") or ""
        return found

    return base64.b64decode(await cluster.until(certificate))


async def test_an_approved_request_becomes_a_user(cluster: Cluster, api: RunningAPI, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    created = await cluster.client.create(CERTIFICATESIGNINGREQUESTS, signing_request(key, "jo", "devs"))
    approved = {"type": "Approved", "status": "True", "reason": "Tested", "message": "by hand"}
    await cluster.client.update(
        CERTIFICATESIGNINGREQUESTS, created | {"status": {"conditions": [approved]}}, subresource="approval"
    )
    pair = KeyPair(certificate=tmp_path / "jo.crt", key=tmp_path / "jo.key")
    pair.certificate.write_bytes(await signed(cluster, "jo"))
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    access = ApiAccess(server=api.url, ca=api.authority.pair.certificate, client=pair)
    async with Client.from_access(access) as jo:
        review = {"apiVersion": SELFSUBJECTREVIEWS.api_version, "kind": "SelfSubjectReview"}
        info = (await jo.create(SELFSUBJECTREVIEWS, review))["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("jo", ["devs", "system:authenticated"])


async def test_a_nodes_own_request_is_approved_and_signed(cluster: Cluster, api: RunningAPI) -> None:
    request = signing_request(
        ec.generate_private_key(ec.SECP256R1()), "system:node:node-9", "system:nodes", signer=f"{CLIENT}-kubelet"
    )
    meta = {"name": "nodes-renew"}
    role = {"apiGroup": CLUSTERROLES.group, "kind": "ClusterRole", "name": _RENEW}
    subjects = [{"apiGroup": CLUSTERROLES.group, "kind": "Group", "name": "system:nodes"}]
    binding = {"apiVersion": CLUSTERROLES.api_version, "kind": "ClusterRoleBinding", "metadata": meta}
    await cluster.client.create(CLUSTERROLEBINDINGS, binding | {"roleRef": role, "subjects": subjects})
    async with Client.from_access(api.access_of("system:node:node-9", "system:nodes")) as node:
        await node.create(CERTIFICATESIGNINGREQUESTS, request)
    assert b"BEGIN CERTIFICATE" in await signed(cluster, "system-node-node-9")


async def test_nobody_asks_to_be_a_master(cluster: Cluster) -> None:
    request = signing_request(ec.generate_private_key(ec.SECP256R1()), "eve", "system:masters")
    with pytest.raises(Forbidden, match="with system:masters group is not allowed"):
        await cluster.client.create(CERTIFICATESIGNINGREQUESTS, request)
