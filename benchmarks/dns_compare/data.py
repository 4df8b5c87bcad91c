"""One set of names for every server, and the questions asked about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

DOMAIN = "cluster.local"
SERVICES = 1_000
FOREIGN = 1_000
MISSES = 20_000


def services() -> Iterator[tuple[str, str]]:
    """Names and addresses of Services."""
    for number in range(SERVICES):
        yield f"svc-{number}.default.svc.{DOMAIN}", f"10.96.{16 + number // 250}.{number % 250 + 1}"


def foreign() -> Iterator[tuple[str, str]]:
    """Names and addresses that only the server outside the cluster knows."""
    for number in range(FOREIGN):
        yield f"host-{number}.example", f"192.0.2.{number % 250 + 1}"


def write_questions(directory: Path) -> dict[str, Path]:
    """dnsperf input files by what is measured."""
    questions = {
        "cluster names": [f"{name} A" for name, _ in services()],
        "misses": [f"none-{number}.default.svc.{DOMAIN} A" for number in range(MISSES)],
        "forwarded": [f"{name} A" for name, _ in foreign()],
    }
    paths = {}
    for what, lines in questions.items():
        paths[what] = directory / f"{what.replace(' ', '-')}.txt"
        paths[what].write_text("\n".join(lines) + "\n")
    return paths
