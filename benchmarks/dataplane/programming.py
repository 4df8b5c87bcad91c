"""How long a change takes to be in force, with 10, 1,000 and 10,000 Services of three endpoints each.

``python -m benchmarks.dataplane.programming``: from the parsed watch event to the end of the data plane's application,
so table and plane together; medians of 50 changes, and the whole table from scratch once.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import time
from typing import Any

from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import Node
from benchmarks.dataplane.rig import NODE_IP
from benchmarks.dataplane.serve import plane
from minikube_py.api.types import Object
from minikube_py.dataplane.model import Changes
from tests.support.netlab import Lab, LoopThread
from tests.support.services import endpoint, endpoint_slice, port, service

_CHANGES = 50


def services(count: int) -> list[Object]:
    """Services on addresses of their own."""
    return [service(f"s{n}", ip=f"10.96.{n >> 8 & 255}.{n & 255}", ports=[port(80)]) for n in range(count)]


def slices(count: int, *, only: int | None = None, size: int = 3) -> list[Object]:
    """Their endpoints, or those of one."""
    return [
        endpoint_slice(f"s{n}", [endpoint(f"10.244.{n >> 8 & 255}.{each + 1}") for each in range(size)])
        for n in (range(count) if only is None else [only])
    ]


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="10,1000,10000")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for kind in ("userspace", "nftables"):
        for count in map(int, options.counts.split(",")):
            print(f"{kind:10} {count:6} Services: {measure(kind, count)}", flush=True)


def measure(kind: str, count: int) -> str:
    """One line of figures in milliseconds."""
    with Lab() as lab:
        loop = LoopThread(lab.places["node-1"])
        try:
            return str(loop.run(lambda: _measure(kind, count)))
        finally:
            loop.close()


async def _measure(kind: str, count: int) -> str:
    serving, table = plane(kind, NODE_IP), RoutingTable(Node("node-1", (NODE_IP,)))
    serving.start()
    start = time.perf_counter()
    changes: Changes = {}
    for obj in services(count):
        changes |= table.service_changed(None, obj)
    for obj in slices(count):
        changes |= table.slice_changed(None, obj)
    tabled = time.perf_counter()
    serving.apply(changes)
    done = time.perf_counter()
    await asyncio.sleep(0)
    times = [_change(serving, table, count, n) for n in range(_CHANGES)]
    problems = len(serving.problems())
    await serving.stop()
    whole = f"table {(tabled - start) * 1e3:8.1f}  plane {(done - tabled) * 1e3:8.1f}"
    one = f"one change {statistics.median(times) * 1e3:6.3f} (worst {max(times) * 1e3:.3f})"
    return f"{whole}  {one}" + (f"  {problems} PROBLEMS" if problems else "")


def _change(serving: Any, table: RoutingTable, count: int, n: int) -> float:
    (obj,) = slices(count, only=n % count, size=2 if n // count % 2 == 0 else 3)
    start = time.perf_counter()
    serving.apply(table.slice_changed(None, obj))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
