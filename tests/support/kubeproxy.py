"""A real kube-proxy (nftables mode) on a node of the lab, fed by our API server.

The API server listens on the machine's loopback; a relay carries the node's connections to it, as the fabric would.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.support.apiserver import RunningAPI
from tests.support.netlab import Namespace

BINARY = shutil.which("kube-proxy")


@asynccontextmanager
async def kube_proxy(api: RunningAPI, place: Namespace, node: str, folder: Path) -> AsyncIterator[None]:
    """Runs from the start of the block to its end; its output is in ``folder``/kube-proxy.log."""
    assert BINARY is not None
    async with _relay(api, place) as url:
        access = replace(api.access_of("system:kube-proxy"), server=url)
        kubeconfig = api.kubeconfig(folder / "kube-proxy.kubeconfig", access)
        with (folder / "kube-proxy.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                "nsenter",
                f"--net=/proc/{os.getpid()}/fd/{place.fd}",
                BINARY,
                f"--config={_configuration(folder, kubeconfig, node)}",
                stdout=log,
                stderr=log,
            )
            try:
                yield
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()


@asynccontextmanager
async def _relay(api: RunningAPI, place: Namespace) -> AsyncIterator[str]:
    host, port = api.url.removeprefix("https://").rsplit(":", 1)
    streams: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            streams.update((writer, up_writer))
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))

    listener = place.run(lambda: socket.create_server(("127.0.0.1", 0)))
    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        for stream in streams:
            stream.close()
        await server.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def _configuration(folder: Path, kubeconfig: Path, node: str) -> Path:
    """As a cluster has it, but quick, and without the settings that only the machine's own namespace has."""
    path = folder / "kube-proxy.json"
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": node,
        "detectLocalMode": "NodeCIDR",
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "50ms"},
    }
    path.write_text(json.dumps(configuration))
    return path
