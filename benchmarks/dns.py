"""Cluster DNS beside C name servers with the same data: ``python -m benchmarks.dns [--seconds 5] [--rounds 3]``.

Needs Debian's dnsperf, and dnsmasq, unbound or a CoreDNS on the PATH, or all of them. The servers share core 0, one
being asked at a time, while dnsperf asks from core 1; rounds go through all of them in turn, so that a noisy minute
hits them alike. Prints medians: queries per second, processor time per query (which a busy machine disturbs least),
the ratios of ours to each within a round, and the 99th percentile of the latency at a modest rate.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dns_compare.data import write_questions
from benchmarks.dns_compare.servers import (
    INSIDE_ONLY,
    Running,
    api_with_services,
    installed,
    ours,
    outside,
    running,
)

_RATE = re.compile(r"Queries per second:\s+([0-9.]+)")
_DONE = re.compile(r"Queries completed:\s+([0-9]+)")
_LATENCY = re.compile(rb"^> \S+ \S+ \S+ ([0-9.]+)$", re.MULTILINE)
_PACED = 4_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    references = installed()
    if not shutil.which("dnsperf") or not references:
        raise SystemExit("needs dnsperf, and dnsmasq or unbound: apt-get install dnsperf dnsmasq-base unbound")
    with tempfile.TemporaryDirectory(prefix="minik-dns-") as name:
        directory = Path(name)
        questions = write_questions(directory)
        with running(outside, upstream=0, directory=directory, core=1) as upstream, contextlib.ExitStack() as stack:
            if "coredns" in references:
                stack.enter_context(api_with_services(directory))
            servers = {
                name: stack.enter_context(running(command, upstream=upstream.port, directory=directory, core=0))
                for name, command in {"ours": ours, **references}.items()
            }
            for what, path in questions.items():
                asked = {name: its for name, its in servers.items() if what != "forwarded" or name not in INSIDE_ONLY}
                _compare(what, path, asked, chosen.seconds, chosen.rounds)


@dataclass(slots=True)
class Figures:
    """One server's measurements, a value per round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)


def _compare(what: str, path: Path, servers: dict[str, Running], seconds: int, rounds: int) -> None:
    figures = {name: Figures() for name in servers}
    for server in servers.values():
        _perf(server.port, path, seconds=1)
    for _ in range(rounds):
        for name, server in servers.items():
            before = server.cpu_seconds()
            report = _perf(server.port, path, seconds=seconds)
            figures[name].costs.append((server.cpu_seconds() - before) / _number(_DONE, report) * 1e6)
            figures[name].rates.append(_number(_RATE, report))
            figures[name].tails.append(_p99(server.port, path))
    print(f"\n{what:<14}    queries/s   ours/it   CPU us/query   ours/it   p99 at {_PACED}/s")
    mine = figures["ours"]
    for name, its in figures.items():
        rate = statistics.median(one / other for one, other in zip(mine.rates, its.rates, strict=True))
        cost = statistics.median(one / other for one, other in zip(mine.costs, its.costs, strict=True))
        print(
            f"  {name:<10}{statistics.median(its.rates):15,.0f}{rate:10.2f}{statistics.median(its.costs):15.1f}"
            f"{cost:10.2f}{statistics.median(its.tails):12.2f} ms"
        )


def _perf(port: int, path: Path, *, seconds: int) -> str:
    return subprocess.run(
        ["taskset", "-c", "1", "dnsperf", "-p", str(port), "-d", str(path), "-l", str(seconds), "-c", "8", "-q", "200"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _number(pattern: re.Pattern[str], report: str) -> float:
    found = pattern.search(report)
    assert found is not None, report
    return float(found[1])


def _p99(port: int, path: Path) -> float:
    """Milliseconds, at a rate far below what any of the servers can do: latency, not queueing."""
    output = subprocess.run(
        ["taskset", "-c", "1", "dnsperf", "-p", str(port), "-d", str(path), "-l", "2", "-Q", str(_PACED), "-v"],
        check=True,
        capture_output=True,
    ).stdout
    latencies = sorted(float(match[1]) for match in _LATENCY.finditer(output))
    return latencies[len(latencies) * 99 // 100] * 1000 if latencies else float("nan")


if __name__ == "__main__":
    main()
