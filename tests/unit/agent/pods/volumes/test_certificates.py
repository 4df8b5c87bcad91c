"""A pod's certificate: asked for with a key of its own, waited for, renewed, and kept while there is no new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.pods.volumes.certificates import CertificateSource
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.keys import make_key
from agent.pods.volumes.payload import Credential, Inputs, certificates_of, volume_files
from minikube_py.aio.clock import FakeClock
from minikube_py.api.meta import format_time
from minikube_py.api.resources import PODCERTIFICATEREQUESTS, SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from tests.support.fakeapi import FakeAPI
from tests.support.podstates import make_pod

SOURCE = {"signerName": "example.com/s", "keyType": "ED25519", "credentialBundlePath": "all.pem"}
VOLUME = {"name": "v", "projected": {"sources": [{"podCertificate": SOURCE}]}}
POD = make_pod(serviceAccountName="robot")
(REQUEST,) = certificates_of(VOLUME)


@pytest.mark.parametrize("kind", ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"])
def test_a_request_proves_that_the_key_is_there(kind: str) -> None:
    key, stub = make_key(kind)
    request = x509.load_der_x509_csr(stub)
    assert request.is_signature_valid
    assert not list(request.subject)
    assert load_pem_private_key(key, None).public_key() == request.public_key()


def test_files_hold_what_their_paths_are_for() -> None:
    source = SOURCE | {"keyPath": "key.pem", "certificateChainPath": "chain.pem"}
    volume = {"projected": {"sources": [{"podCertificate": source}]}}
    (request,) = certificates_of(volume)
    inputs = Inputs({}, {}, {}, {}, {request: Credential(b"K", b"C")})
    found = volume_files(make_pod(), volume, inputs)
    assert {path: file.data for path, file in found.items()} == {"all.pem": b"KC", "key.pem": b"K", "chain.pem": b"C"}


class Signer:
    """A fake API server with a signer in front of it, who answers what a source asks."""

    def __init__(self, api: FakeAPI, client: Client, clock: FakeClock) -> None:
        self.api, self.client, self.clock, self.due = api, client, clock, list[str]()
        node = {"metadata": {"name": "n1", "uid": "n"}}
        self.source = CertificateSource(client=client, clock=clock, node=lambda: node, on_renewal=self.due.append)

    def requests(self) -> list[Object]:
        return list(self.api.objects.get(PODCERTIFICATEREQUESTS, {}).values())

    async def get(self, answer: Object) -> Credential:
        """What the pod gets while the next request is answered so."""
        before = len(self.requests())
        async with asyncio.TaskGroup() as group:
            getting = group.create_task(self.source.get(POD, REQUEST))
            await self._asked(before + 1)
            self.api.put(PODCERTIFICATEREQUESTS, self.requests()[-1] | {"status": answer})
        return getting.result()

    async def _asked(self, count: int) -> None:
        since = str(self.api.oldest)
        async with aclosing(self.client.watch(PODCERTIFICATEREQUESTS, resource_version=since)) as events:
            async for _ in events:
                if len(self.requests()) >= count:
                    return

    def issued(self, chain: str) -> Object:
        refresh = format_time(self.clock.now() + timedelta(hours=1))
        return {"conditions": [{"type": "Issued"}], "certificateChain": chain, "beginRefreshAt": refresh}


@pytest.fixture
async def signer() -> AsyncIterator[Signer]:
    async with FakeAPI() as api, Client(api.url) as client:
        api.put(SERVICEACCOUNTS, {"metadata": {"namespace": "default", "name": "robot", "uid": "sa"}})
        signer = Signer(api, client, FakeClock())
        yield signer
        signer.source.close()


REFUSED = {"conditions": [{"type": "Denied", "reason": "Never", "message": "not you"}]}


async def test_a_certificate_is_asked_for_once_and_renewed_when_it_is_due(signer: Signer) -> None:
    first = await signer.get(signer.issued("one"))
    assert first.chain == b"one"
    assert await signer.source.get(POD, REQUEST) == first
    (asked,) = signer.requests()
    assert asked["spec"] | {"stubPKCS10Request": ""} == {
        "signerName": "example.com/s", "podName": "web", "podUID": "u1", "serviceAccountName": "robot",
        "serviceAccountUID": "sa", "nodeName": "n1", "nodeUID": "n", "maxExpirationSeconds": 86400,
        "stubPKCS10Request": "", "unverifiedUserAnnotations": {},
    }  # fmt: skip
    await signer.clock.advance(3601)
    assert signer.due == ["u1"]
    second = await signer.get(signer.issued("two"))
    assert (second.chain, second.key != first.key) == (b"two", True)


async def test_an_old_one_stays_while_the_signer_refuses(signer: Signer) -> None:
    first = await signer.get(signer.issued("one"))
    await signer.clock.advance(3601)
    assert await signer.get(REFUSED) == first
    assert len(signer.requests()) == 2


async def test_a_refusal_is_told(signer: Signer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await signer.get(REFUSED)
    assert isinstance(caught.value.exceptions[0], VolumeError)
    assert str(caught.value.exceptions[0]).endswith("was refused: Never: not you")


async def test_a_signer_that_takes_its_time_is_asked_once(signer: Signer) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_refused(signer))
        while not waiting.done():
            await signer.clock.advance(1)
    (asked,) = signer.requests()
    signer.api.put(PODCERTIFICATEREQUESTS, asked | {"status": signer.issued("late")})
    assert (await signer.source.get(POD, REQUEST)).chain == b"late"
    assert len(signer.requests()) == 1


async def _refused(signer: Signer) -> None:
    with pytest.raises(VolumeError, match="is not answered yet"):
        await signer.source.get(POD, REQUEST)
