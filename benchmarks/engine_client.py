"""What an agent would pay for the Docker SDK, beside the engine client of our Docker runtime.

``python -m benchmarks.engine_client [SOCKET]`` asks a running engine for its version and follows its events, and
changes nothing. Each client has a process of its own. The SDK blocks, so an asyncio agent has to call it in threads:
one per call, and one for as long as a stream is followed.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLS, WIDTH, STREAMS = 1000, 16, 25
Figures = dict[str, float]


def rss_kilobytes() -> int:
    """What this process holds now."""
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line).split()[1])


def cpu_seconds() -> float:
    """What this process has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure_ours(socket: str, before: Figures) -> Figures:
    """The client of the Docker runtime."""
    from agent.runtime.docker.engine import Engine

    figures = imported(before)
    engine = Engine(Path(socket))
    engine.open()
    gate = asyncio.Semaphore(WIDTH)

    async def call() -> None:
        async with gate:
            await engine.get("/version")

    async def follow(ready: asyncio.Event) -> None:
        async with engine.stream("GET", "/events") as body:
            ready.set()
            await body.read()

    try:
        with timed(figures):
            await asyncio.gather(*(call() for _ in range(CALLS)))
        memory = rss_kilobytes()
        opened = [asyncio.Event() for _ in range(STREAMS)]
        streams = [asyncio.create_task(follow(each)) for each in opened]
        await asyncio.gather(*(each.wait() for each in opened))
        note_streams(figures, memory, len(opened))
        begin = time.perf_counter()
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        figures["cancel_ms"] = 1000 * (time.perf_counter() - begin)
    finally:
        await engine.close()
    return figures


async def measure_sdk(socket: str, before: Figures) -> Figures:
    """``docker.APIClient`` in a thread pool."""
    import docker

    figures = imported(before)
    client = docker.APIClient(base_url=f"unix://{socket}", version="1.41", num_pools=WIDTH + STREAMS, timeout=60)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(WIDTH) as pool, timed(figures):
        await asyncio.gather(*(loop.run_in_executor(pool, client.version) for _ in range(CALLS)))
    memory = rss_kilobytes()
    streams = [client.events() for _ in range(STREAMS)]
    threads = [threading.Thread(target=exhaust, args=(each,), daemon=True) for each in streams]
    for thread in threads:
        thread.start()
    note_streams(figures, memory, len(streams))
    begin = time.perf_counter()
    for stream in streams:
        stream.close()
    for thread in threads:
        thread.join(5)
    figures["cancel_ms"] = 1000 * (time.perf_counter() - begin)
    return figures


def exhaust(stream: Any) -> None:
    """Reads until somebody closes it."""
    for _ in stream:
        pass


def imported(before: Figures) -> Figures:
    """What the import has cost since ``before``."""
    return {"import_mb": (rss_kilobytes() - before["rss"]) / 1024, "import_ms": 1000 * (cpu_seconds() - before["cpu"])}


def note_streams(figures: Figures, memory: int, count: int) -> None:
    """The price of a followed stream."""
    figures["stream_kb"] = (rss_kilobytes() - memory) / count
    figures["threads"] = threading.active_count()


@contextmanager
def timed(figures: Figures) -> Iterator[None]:
    """Notes CPU microseconds per call of the body's calls."""
    begin = cpu_seconds()
    yield
    figures["call_us"] = 1e6 * (cpu_seconds() - begin) / CALLS


def one(client: str, socket: str) -> None:
    """Runs in a process of its own."""
    import aiohttp  # noqa: F401 - the agent has it in any case

    before: Figures = {"rss": rss_kilobytes(), "cpu": cpu_seconds()}
    measure = measure_ours if client == "ours" else measure_sdk
    print(json.dumps(asyncio.run(measure(socket, before))))


def main() -> None:
    """Prints a line per figure, and the ratio."""
    socket = sys.argv[1] if len(sys.argv) > 1 else "/var/run/docker.sock"
    told = {}
    for client in ("ours", "sdk"):
        command = [sys.executable, "-m", "benchmarks.engine_client", "--one", client, socket]
        told[client] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(f"{'':12}{'ours':>10}{'SDK':>10}{'ratio':>8}")
    for figure, ours in told["ours"].items():
        theirs = told["sdk"][figure]
        print(f"{figure:12}{ours:10.1f}{theirs:10.1f}{theirs / ours if ours else 0:8.2f}")


if __name__ == "__main__":
    if "--one" in sys.argv:
        one(*sys.argv[2:])
    else:
        main()
