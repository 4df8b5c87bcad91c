"""The API server under load: CPU per request, rates, watch latency, memory; as ratios to a bare aiohttp handler.

    python -m benchmarks.apiserver [--pods 10000] [--watchers 1000] [--seconds 2]

Everything is over TLS with client certificates. Rates on a shared machine swing by a factor of two; CPU per request is
steadier, and its ratio to a handler that does nothing, measured in the same run, steadier still.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from aiohttp import web

from apiserver.app import short_collections
from apiserver.listeners import tls_context
from benchmarks.holds import STOP, report_holds
from benchmarks.processes import cpu_seconds, pss_bytes
from minikube_py.config.parts import ApiAccess
from tests.support.apiserver import Authority, client_context, running_apiserver, server_config

CONNECTIONS = 16
WRITERS = 32
PODS = "/api/v1/namespaces/default/pods"


def pod(index: int, *, app: str = "") -> bytes:
    """A pod of ordinary size, 100 of each app."""
    container = {
        "name": "c", "image": "registry.example/app:1.2.3", "ports": [{"containerPort": 8080}],
        "env": [{"name": f"VAR{number}", "value": "value"} for number in range(5)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
    }  # fmt: skip
    labels = {"app": app or f"app-{index // 100}", "tier": "web", "pod-template-hash": "abc"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{index}", "labels": labels},
            "spec": {"containers": [container]},
        }
    ).encode()


#: What is kept of an answer; of more only the end, because keeping it costs the client as much as it costs the server.
KEPT = 1 << 20


class Wire(asyncio.Protocol):
    """One keep-alive connection, one request at a time; reads answers with a length or in chunks.

    ``received`` counts the bytes of the answer; ``buffer`` holds its beginning and its end.
    """

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.received = 0
        self.waiter: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.on_data: Callable[[bytes], None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.on_data is not None:
            self.on_data(data)
            return
        self.received += len(data)
        if len(self.buffer) + len(data) > KEPT:
            del self.buffer[KEPT // 2 :]
            data = data[-KEPT // 4 :]
        self.buffer += data
        if self.waiter is not None and not self.waiter.done() and self._complete():
            self.waiter.set_result(None)

    def _complete(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        start = self.buffer.find(b"Content-Length: ", 0, end)
        if start < 0:
            return self.buffer.endswith(b"0\r\n\r\n")
        length = int(self.buffer[start + 16 : self.buffer.find(b"\r\n", start)])
        return self.received >= end + 4 + length

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the raw answer."""
        self.buffer.clear()
        self.received = 0
        assert self.transport is not None
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.waiter
        return bytes(self.buffer)


def request(
    method: str,
    path: str,
    body: bytes = b"",
    content_type: str = "application/json",
    *,
    accept: str = "application/json",
) -> bytes:
    """A raw HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: bench/1\r\nAccept: {accept}\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def connect(port: int, context: ssl.SSLContext) -> Wire:
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Wire, "127.0.0.1", port, ssl=context, server_hostname="localhost")
    return wire


def _serve(folder: Path, authority: Authority, bare: bool, pipe: Connection) -> None:
    """A child process: the API server, or a handler that answers a fixed body."""

    async def run() -> None:
        async with running_apiserver(folder, authority=authority) as api:
            pipe.send(api.url)
            with short_collections():
                await report_holds(pipe)

    async def run_bare() -> None:
        async def handle(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"x" * 1500, content_type="application/json")

        context = tls_context(server_config(authority))
        server = await asyncio.get_running_loop().create_server(web.Server(handle), "127.0.0.1", 0, ssl=context)
        pipe.send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        server.close()

    uvloop.run(run_bare() if bare else run())


class Serving(NamedTuple):
    """A server's process and port, and the pipe on which its event loop's holds are asked for."""

    pid: int
    port: int
    pipe: Connection


@contextmanager
def serving(folder: Path, authority: Authority, *, bare: bool = False) -> Iterator[Serving]:
    """A server in a process of its own."""
    context = get_context("fork")
    near, far = context.Pipe()
    process = context.Process(target=_serve, args=(folder, authority, bare, far))
    process.start()
    url = near.recv()
    assert process.pid is not None
    try:
        yield Serving(process.pid, int(url.rpartition(":")[2]), near)
    finally:
        near.send(STOP)
        process.join(10)
        if process.is_alive():
            process.terminate()


class Bench:
    """Load on one server."""

    def __init__(self, pid: int, port: int, context: ssl.SSLContext, seconds: float) -> None:
        self.pid = pid
        self.port = port
        self.context = context
        self.seconds = seconds

    async def rate(
        self, requests: Callable[[], bytes], *, connections: int = CONNECTIONS, limit: int = 0
    ) -> tuple[float, float, list[float]]:
        """Requests per second, server CPU microseconds per request, and the latencies in seconds."""
        wires = [await connect(self.port, self.context) for _ in range(connections)]
        latencies: list[float] = []
        deadline = time.perf_counter() + self.seconds

        async def worker(wire: Wire) -> None:
            while time.perf_counter() < deadline and (not limit or len(latencies) < limit):
                begin = time.perf_counter()
                answer = await wire.ask(requests())
                latencies.append(time.perf_counter() - begin)
                assert answer[9:10] == b"2", answer[:600]

        cpu, begin = cpu_seconds([self.pid]), time.perf_counter()
        await asyncio.gather(*(worker(wire) for wire in wires))
        took, used = time.perf_counter() - begin, cpu_seconds([self.pid]) - cpu
        for wire in wires:
            assert wire.transport is not None
            wire.transport.close()
        return len(latencies) / took, used / len(latencies) * 1e6, latencies

    async def fill(self, count: int) -> list[float]:
        """Create pods; returns the latencies."""
        index = iter(range(count))
        wires = [await connect(self.port, self.context) for _ in range(CONNECTIONS)]
        latencies: list[float] = []

        async def worker(wire: Wire) -> None:
            for number in index:
                begin = time.perf_counter()
                answer = await wire.ask(request("POST", PODS, pod(number)))
                latencies.append(time.perf_counter() - begin)
                assert answer[9:12] == b"201", answer[:600]

        await asyncio.gather(*(worker(wire) for wire in wires))
        for wire in wires:
            assert wire.transport is not None
            wire.transport.close()
        return latencies

    async def watch(self, watchers: int, writes: int) -> dict[str, float]:
        """Every watcher gets every event: events per second, CPU per event, latency from the write's start."""
        sent: list[float] = []
        late: list[float] = []
        seen = 0
        done = asyncio.get_running_loop().create_future()
        total = watchers * writes

        def received(data: bytes) -> None:
            nonlocal seen
            events = data.count(b'{"type":')
            if not events:
                return
            if seen % 97 == 0 and sent:
                late.append(time.perf_counter() - sent[-1])
            seen += events
            if seen >= total and not done.done():
                done.set_result(None)

        wires = [await connect(self.port, self.context) for _ in range(watchers)]
        path = "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=300&labelSelector=run"
        path += f"%3Dr{watchers}"
        for wire in wires:
            wire.on_data = received
            assert wire.transport is not None
            wire.transport.write(request("GET", path))
        await asyncio.sleep(0.5)
        writers = [await connect(self.port, self.context) for _ in range(WRITERS)]
        numbers = iter(range(writes))

        async def write(wire: Wire) -> None:
            for number in numbers:
                sent.append(time.perf_counter())
                meta = {"name": f"w-{watchers}-{number}", "labels": {"run": f"r{watchers}"}}
                body = json.dumps({"metadata": meta, "data": {"k": "v" * 100}}).encode()
                answer = await wire.ask(request("POST", "/api/v1/namespaces/default/configmaps", body))
                assert answer[9:12] == b"201", answer[:600]

        cpu, begin = cpu_seconds([self.pid]), time.perf_counter()
        await asyncio.gather(*(write(wire) for wire in writers))
        async with asyncio.timeout(60):
            await done
        took, used = time.perf_counter() - begin, cpu_seconds([self.pid]) - cpu
        for wire in [*wires, *writers]:
            assert wire.transport is not None
            wire.transport.close()
        late.sort()
        return {
            "events/s": total / took,
            "us per event": used / total * 1e6,
            "p50 ms": statistics.median(late) * 1e3,
            "p99 ms": late[int(len(late) * 0.99)] * 1e3,
        }


async def measure(bench: Bench, bare_cpu: float, args: argparse.Namespace) -> None:
    """Print one line per figure."""

    def line(name: str, rate: float, cpu: float) -> None:
        print(f"{name:28} {rate:10,.0f}/s {cpu:10,.0f} us  {cpu / bare_cpu:6.2f} x bare")

    before = pss_bytes([bench.pid])
    latencies = sorted(await bench.fill(args.pods))
    per_pod = (pss_bytes([bench.pid]) - before) / args.pods
    print(f"{'memory per pod':28} {per_pod / 1024:10.1f} KiB at {args.pods}")
    print(
        f"{'create p50 / p99':28} {latencies[len(latencies) // 2] * 1e3:.2f} / "
        f"{latencies[int(len(latencies) * 0.99)] * 1e3:.2f} ms with {CONNECTIONS} writers"
    )
    line("GET pod", *(await bench.rate(lambda: request("GET", f"{PODS}/pod-7")))[:2])
    by_label = request("GET", f"{PODS}?labelSelector=app%3Dapp-7")
    line("LIST 100 by label", *(await bench.rate(lambda: by_label))[:2])
    line(f"LIST {args.pods}", *(await bench.rate(lambda: request("GET", PODS), connections=2))[:2])
    messages = request("GET", PODS, accept="application/vnd.kubernetes.protobuf")
    line(f"LIST {args.pods} in protobuf", *(await bench.rate(lambda: messages, connections=2))[:2])
    numbers = iter(range(10_000_000, 20_000_000))
    line("POST pod", *(await bench.rate(lambda: request("POST", PODS, pod(next(numbers), app="new"))))[:2])
    patches = iter(range(10_000_000))
    merge = "application/merge-patch+json"

    def patch() -> bytes:
        number = next(patches)
        body = json.dumps({"metadata": {"labels": {"round": str(number)}}}).encode()
        return request("PATCH", f"{PODS}/pod-{number % args.pods}", body, merge)

    line("PATCH pod", *(await bench.rate(patch))[:2])
    for watchers in sorted({100, args.watchers}):
        found = await bench.watch(watchers, max(20, 20_000 // watchers))
        figures = "  ".join(f"{name} {value:,.2f}" for name, value in found.items())
        print(f"{f'{watchers} watchers':28} {figures}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--watchers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        authority = Authority(folder)
        authority.issue("admin", "system:masters")
        with serving(folder, authority, bare=True) as server:
            bench = Bench(server.pid, server.port, admin_context(authority), args.seconds)
            rate, bare_cpu, _ = uvloop.run(bench.rate(lambda: request("GET", "/")))
            print(f"{'bare aiohttp handler':28} {rate:10,.0f}/s {bare_cpu:10,.0f} us")
        with serving(folder, authority) as server:
            bench = Bench(server.pid, server.port, admin_context(authority), args.seconds)
            uvloop.run(measure(bench, bare_cpu, args))


def admin_context(authority: Authority) -> ssl.SSLContext:
    access = ApiAccess(
        server="https://localhost", ca=authority.pair.certificate, client=authority.issue("admin", "system:masters")
    )
    return client_context(access)


if __name__ == "__main__":
    main()
