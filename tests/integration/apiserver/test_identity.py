"""The server's own Lease: there from the beginning, renewed, taken over by the next life."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from minikube_py.aio.clock import SystemClock
from minikube_py.api.resources import LEASES
from minikube_py.client.rest import Client
from tests.support.apiserver import running_apiserver

SELECTOR = "apiserver.kubernetes.io/identity=kube-apiserver"


async def test_the_server_keeps_its_lease(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path) as api, Client.from_access(api.access) as client:
        (lease,) = (await client.list(LEASES, "kube-system", label_selector=SELECTOR)).items
        assert lease["spec"]["holderIdentity"].startswith(f"{lease['metadata']['name']}_")
        assembly = api.server._assembly
        assert assembly is not None
        assembly.lease.renew(SystemClock().now() + timedelta(seconds=10))
        (renewed,) = (await client.list(LEASES, "kube-system", label_selector=SELECTOR)).items
        assert renewed["spec"]["renewTime"] > lease["spec"]["renewTime"]
        assert renewed["spec"]["holderIdentity"] == lease["spec"]["holderIdentity"]
