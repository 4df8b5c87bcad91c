"""Measures every data plane in turn, several rounds, and prints medians and ratios to HAProxy with their spread.

Ratios are taken within a round, because a shared machine drifts between rounds.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
from collections import defaultdict

from benchmarks.dataplane.rig import BULK, HTTP, Proxy, Rig, rig
from tests.support.netlab import PODS

KINDS = ("direct", "userspace", "nftables", "dnat", "haproxy", "nginx")
Figures = dict[str, float]


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--idle", type=int, default=5000, help="idle connections whose memory is measured")
    options = parser.parse_args()
    kinds = options.only.split(",")
    rounds: list[dict[str, Figures]] = []
    with rig() as made:
        for _ in range(options.rounds):
            rounds.append({kind: measure(made, kind, options.seconds, options.idle) for kind in kinds})
            print(json.dumps(rounds[-1]), flush=True)
    report(rounds, kinds)


def measure(made: Rig, kind: str, seconds: int, idle: int) -> Figures:
    """All figures of one way to the pods."""
    figures: Figures = {}
    with made.proxy(kind) as proxy:
        web = f"http://{proxy.address}/" if proxy.address else f"http://{PODS['b'][1]}:{HTTP}/"
        bulk = proxy.address or PODS["b"][1]
        _wrk(made, proxy, figures, "keepalive", "-t1", "-c64", f"-d{seconds}", web)
        _wrk(made, proxy, figures, "new", "-t1", "-c64", f"-d{seconds}", "-H", "Connection: close", web)
        _latency(figures, made.load("wrk", "-t1", "-c1", f"-d{seconds}", "--latency", web))
        before = proxy.cpu_seconds()
        answer = json.loads(made.load("iperf3", "-c", bulk, "-p", str(BULK), "-t", str(seconds), "-J"))
        figures["bulk_gbit"] = answer["end"]["sum_received"]["bits_per_second"] / 1e9
        figures["bulk_cpu"] = (proxy.cpu_seconds() - before) / seconds
        if idle and proxy.pids:
            figures["idle_kib"] = _idle(made, proxy, idle)
    return figures


def _wrk(made: Rig, proxy: Proxy, figures: Figures, name: str, *arguments: str) -> None:
    before = proxy.cpu_seconds()
    output = made.load("wrk", *arguments)
    used = proxy.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", output).group(1))  # type: ignore[union-attr]
    figures[f"{name}_rps"] = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))  # type: ignore[union-attr]
    if proxy.pids:
        figures[f"{name}_cpu_us"] = used / max(requests, 1) * 1e6


def _latency(figures: Figures, output: str) -> None:
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    for percent in ("50", "99"):
        found = re.search(percent + r"%\s+([\d.]+)(us|ms|s)", output)
        if found:
            figures[f"p{percent}_ms"] = float(found.group(1)) * units[found.group(2)]


def _idle(made: Rig, proxy: Proxy, count: int) -> float:
    """KiB of memory per idle connection."""
    before = proxy.memory_kib()

    def connect() -> list[socket.socket]:
        return [socket.create_connection((proxy.address, 80), 5) for _ in range(count)]

    sockets = made.lab.places["a"].run(connect)
    grown = proxy.memory_kib() - before
    for sock in sockets:
        sock.close()
    return grown / count


def report(rounds: list[dict[str, Figures]], kinds: list[str]) -> None:
    """Medians over the rounds, and for each kind the median ratio to HAProxy with the range over the rounds."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in rounds:
        for kind, figures in each.items():
            for name, value in figures.items():
                values[name][kind].append(value)
    print(f"\n{'':16}" + "".join(f"{kind:>14}" for kind in kinds))
    for name, by_kind in values.items():
        cells = "".join(
            f"{statistics.median(by_kind[kind]):14.3f}" if by_kind[kind] else f"{'-':>14}" for kind in kinds
        )
        print(f"{name:16}{cells}")
    if "haproxy" in kinds:
        _ratios(values, [kind for kind in kinds if kind != "haproxy"], "haproxy")
    if "dnat" in kinds:
        _ratios(values, [kind for kind in kinds if kind == "nftables"], "dnat")


def _ratios(values: dict[str, dict[str, list[float]]], kinds: list[str], reference: str) -> None:
    print(f"\nratio to {reference} in the same round: median (lowest-highest)")
    for name, by_kind in values.items():
        for kind in kinds:
            pairs = zip(by_kind[kind], by_kind[reference], strict=False)
            ratios = sorted(mine / theirs for mine, theirs in pairs if theirs)
            if ratios:
                print(f"{name:16}{kind:>12} {statistics.median(ratios):6.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
