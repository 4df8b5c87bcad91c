"""An API server with the benchmark's Services, for CoreDNS: ``python -m benchmarks.dns_compare.api DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.dns_compare.data import services
from minikube_py.api.resources import SERVICES
from minikube_py.client.rest import Client
from tests.support.apiserver import running_apiserver
from tests.support.services import port, service


async def serve(directory: Path) -> None:
    """Writes ``kubeconfig`` into the directory, says so, and serves for ever."""
    async with running_apiserver(directory) as api, Client.from_access(api.access) as client:
        for name, address in services():
            await client.create(SERVICES, service(name.partition(".")[0], ip=address, ports=[port(80, name="http")]))
        api.kubeconfig(directory / "kubeconfig")
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
