"""Lists in every form: their size, the server's CPU and the longest that anybody else had to wait for the event loop.

    python -m benchmarks.listing [--pods 10000]

Every form is asked for twice at the same time: the first round finds nothing that was encoded before, the best of the
others may. Holds are CPU time (``holds``), the ratio is to a plain list in JSON in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.apiserver import PODS, Bench, Serving, Wire, admin_context, connect, request, serving
from benchmarks.holds import BEGIN, END, ask
from benchmarks.processes import cpu_seconds
from tests.support.apiserver import Authority

_META = "v=v1;g=meta.k8s.io"
_TABLE = f"application/json;as=Table;{_META}"
_PARTIAL = f"application/json;as=PartialObjectMetadataList;{_META}"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
#: A watch that starts with what is there, and ends with the bookmark behind it.
_STREAMED = (
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=300"
)
ROUNDS = 3


class Form(NamedTuple):
    """One way to ask for all pods. ``end`` is what the last piece of the answer ends with or has in it."""

    name: str
    query: str = ""
    accept: str = "application/json"
    gzip: bool = False
    end: bytes = b"0\r\n\r\n"


def forms(revision: str) -> list[Form]:
    """Every form; ``revision`` is one that is past."""
    end = b"initial-events-end"
    return [
        Form("JSON"),
        Form("JSON, compressed", gzip=True),
        Form("JSON, all by label", "labelSelector=tier%3Dweb"),
        Form("JSON, all by field", "fieldSelector=status.phase%3DPending"),
        Form("JSON, a past revision", f"resourceVersion={revision}&resourceVersionMatch=Exact"),
        Form("JSON, a page of 500", "limit=500"),
        Form("protobuf", accept=_PROTOBUF),
        Form("metadata", accept=_PARTIAL),
        Form("metadata in protobuf", accept=_PARTIAL.replace("application/json", _PROTOBUF)),
        Form("Table", accept=_TABLE),
        Form("YAML, a page of 500", "limit=500", accept="application/yaml"),
        Form("watch, streamed", _STREAMED, end=end),
        Form("watch, streamed in protobuf", _STREAMED, accept=_PROTOBUF, end=end),
        Form("watch, streamed as Table", _STREAMED, accept=_TABLE, end=end),
        Form("watch, replayed", f"watch=1&resourceVersion={revision}&timeoutSeconds=1"),
        Form("watch, replayed as Table", f"watch=1&resourceVersion={revision}&timeoutSeconds=1", accept=_TABLE),
    ]


class Figures(NamedTuple):
    """What one list cost: bytes on the wire, seconds of the server's CPU, the longest hold in seconds."""

    size: int
    cpu: float
    hold: float


async def _read(bench: Bench, form: Form) -> int:
    """Ask on a connection of its own; the size of the answer."""
    wire: Wire = await connect(bench.port, bench.context)
    raw = request("GET", f"{PODS}?{form.query}", accept=form.accept)
    if form.gzip:
        raw = raw.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n")
    done, tail, size = asyncio.get_running_loop().create_future(), b"", 0

    def received(data: bytes) -> None:
        nonlocal tail, size
        size += len(data)
        tail = tail[-512:] + data[-4096:]
        if form.end in tail and not done.done():
            done.set_result(None)

    wire.on_data = received
    assert wire.transport is not None
    wire.transport.write(raw)
    async with asyncio.timeout(300):
        await done
    wire.transport.close()
    return size


async def _round(bench: Bench, server: Serving, form: Form) -> Figures:
    """CPU and holds apart, because looking for holds costs CPU."""
    cpu = cpu_seconds([server.pid])
    sizes = await asyncio.gather(*(_read(bench, form) for _ in range(2)))
    used = (cpu_seconds([server.pid]) - cpu) / 2
    ask(server.pipe, BEGIN)
    await asyncio.gather(*(_read(bench, form) for _ in range(2)))
    return Figures(sizes[0], used, ask(server.pipe, END))


async def _past(bench: Bench, pods: int) -> str:
    """Change a tenth of the pods; a revision before that."""
    wire = await connect(bench.port, bench.context)
    listed = await wire.ask(request("GET", f"{PODS}?limit=1"))
    revision = json.loads(listed.partition(b"\r\n\r\n")[2])["metadata"]["resourceVersion"]
    for number in range(0, pods, 10):
        body = json.dumps({"metadata": {"labels": {"touched": "yes"}}}).encode()
        await wire.ask(request("PATCH", f"{PODS}/pod-{number}", body, "application/merge-patch+json"))
    assert wire.transport is not None
    wire.transport.close()
    return str(revision)


async def measure(bench: Bench, server: Serving, pods: int) -> None:
    """Print a line per form."""
    await bench.fill(pods)
    plain = 0.0
    print(f"{pods} pods{'':24} {'MB':>6} {'first ms':>9} {'best ms':>8} {'x JSON':>7} {'longest hold ms':>16}")
    for form in forms(await _past(bench, pods)):
        rounds = [await _round(bench, server, form) for _ in range(ROUNDS)]
        best = min(each.cpu for each in rounds)
        plain = plain or best
        hold = max(each.hold for each in rounds)
        print(
            f"{form.name:30} {rounds[0].size / 1e6:6.1f} {rounds[0].cpu * 1e3:9.0f} {best * 1e3:8.0f} "
            f"{best / plain:7.2f} {hold * 1e3:16.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        authority = Authority(folder)
        authority.issue("admin", "system:masters")
        with serving(folder, authority) as server:
            bench = Bench(server.pid, server.port, admin_context(authority), 1.0)
            uvloop.run(measure(bench, server, args.pods))


if __name__ == "__main__":
    main()
