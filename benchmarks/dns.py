"""Cluster DNS beside C name servers with the same data: ``python -m benchmarks.dns [--seconds 5] [--rounds 3]``.

Needs Debian's dnsperf, and dnsmasq or unbound (or both). Every server runs alone on core 0 while dnsperf asks from core
1; rounds go through all servers in turn, so that a noisy minute hits them alike. Prints queries per second (medians),
the ratio to each reference, and the 99th percentile of the latency at a tenth of the reference's rate.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.dns_compare.data import write_questions
from benchmarks.dns_compare.servers import Command, installed, ours, outside, running

_RATE = re.compile(r"Queries per second:\s+([0-9.]+)")
_LOST = re.compile(r"Queries lost:\s+([0-9]+)")
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
        with running(outside, upstream=0, directory=directory, core=1) as upstream:
            _compare({"ours": ours, **references}, questions, upstream, directory, chosen.seconds, chosen.rounds)


def _compare(
    servers: dict[str, Command],
    questions: dict[str, Path],
    upstream: int,
    directory: Path,
    seconds: int,
    rounds: int,
) -> None:
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    tails: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, command in servers.items():
            with running(command, upstream=upstream, directory=directory, core=0) as port:
                for what, path in questions.items():
                    _perf(port, path, seconds=1)
                    rates[what, name].append(_rate(_perf(port, path, seconds=seconds)))
                    tails[what, name].append(_p99(port, path))
    for what in questions:
        print(f"\n{what}")
        mine = statistics.median(rates[what, "ours"])
        for name in servers:
            rate = statistics.median(rates[what, name])
            tail = statistics.median(tails[what, name])
            print(f"  {name:<10}{rate:10,.0f} queries/s   p99 {tail:6.2f} ms   ours/{name} {mine / rate:5.2f}")


def _perf(port: int, path: Path, *, seconds: int) -> str:
    return subprocess.run(
        ["taskset", "-c", "1", "dnsperf", "-p", str(port), "-d", str(path), "-l", str(seconds), "-c", "8", "-q", "200"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _rate(report: str) -> float:
    rate, lost = _RATE.search(report), _LOST.search(report)
    assert rate is not None
    assert lost is not None
    if int(lost[1]) > 100:
        print(f"  (lost {lost[1]} queries)")
    return float(rate[1])


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
