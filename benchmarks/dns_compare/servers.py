"""Starting and stopping name servers, each pinned to one core."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dns_compare.data import DOMAIN, foreign, services

#: A command line for (port, port of the server outside, scratch directory).
Command = Callable[[int, int, Path], Sequence[str]]

_PROBE = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x07cluster\x05local\0\0\6\0\1"


def ours(port: int, upstream: int, _: Path) -> Sequence[str]:
    """Our server, alone in a process of its own."""
    return [sys.executable, "-m", "benchmarks.dns_compare.ours", str(port), str(upstream)]


def dnsmasq(port: int, upstream: int, directory: Path) -> Sequence[str]:
    """dnsmasq with the Services as host records, everything else under the domain absent."""
    records = [f"host-record={name},{address}" for name, address in services()]
    lines = [
        f"port={port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "keep-in-foreground",
        "pid-file=", "user=root", "cache-size=10000", "local-ttl=5", f"local=/{DOMAIN}/",
        f"server=127.0.0.1#{upstream}", *records,
    ]  # fmt: skip
    return ["dnsmasq", f"--conf-file={_written(directory / f'dnsmasq-{port}.conf', lines)}"]


def outside(port: int, _: int, directory: Path) -> Sequence[str]:
    """The server outside the cluster that all the others forward to."""
    records = [f"host-record={name},{address}" for name, address in foreign()]
    lines = [
        f"port={port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "keep-in-foreground",
        "pid-file=", "user=root", "local-ttl=300", "local=/example/", "local=/invalid/", *records,
    ]  # fmt: skip
    return ["dnsmasq", f"--conf-file={_written(directory / f'outside-{port}.conf', lines)}"]


def unbound(port: int, upstream: int, directory: Path) -> Sequence[str]:
    """unbound with the Services as local data."""
    data = [f'  local-data: "{name}. 5 IN A {address}"' for name, address in services()]
    lines = [
        "server:", "  interface: 127.0.0.1", f"  port: {port}", "  do-daemonize: no", '  username: ""', '  chroot: ""',
        '  pidfile: ""', "  use-syslog: no", "  num-threads: 1", "  do-not-query-localhost: no", "  do-ip6: no",
        '  module-config: "iterator"', f'  directory: "{directory}"', f'  local-zone: "{DOMAIN}." static', *data,
        'forward-zone:', '  name: "example."', f"  forward-addr: 127.0.0.1@{upstream}",
    ]  # fmt: skip
    return ["unbound", "-d", "-c", str(_written(directory / f"unbound-{port}.conf", lines))]


def coredns(port: int, _: int, directory: Path) -> Sequence[str]:
    """CoreDNS over the API server of ``api_with_services``, on one core as the others. It needs no plugin but one."""
    lines = [f".:{port} {{", f"  kubernetes {DOMAIN} {{", f"    kubeconfig {directory / 'kubeconfig'} test", "  }", "}"]
    return ["env", "GOMAXPROCS=1", "coredns", "-conf", str(_written(directory / "Corefile", lines))]


REFERENCES: dict[str, Command] = {"dnsmasq": dnsmasq, "unbound": unbound, "coredns": coredns}
#: Those that are asked nothing from outside the cluster.
INSIDE_ONLY = ("coredns",)


def installed() -> dict[str, Command]:
    """The reference servers that this machine has."""
    return {name: command for name, command in REFERENCES.items() if shutil.which(name)}


@contextlib.contextmanager
def api_with_services(directory: Path) -> Iterator[None]:
    """An API server with the Services, whose kubeconfig is in ``directory``."""
    command = [sys.executable, "-m", "benchmarks.dns_compare.api", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise SystemExit("the API server does not start")
            yield
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that its process has used so far, in the kernel and outside."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(command: Command, *, upstream: int, directory: Path, core: int) -> Iterator[Running]:
    """A server on a free port of loopback; its process ends with the block."""
    port = _free_port()
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command(port, upstream, directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(port, process)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.settimeout(0.1)
            sock.connect(("127.0.0.1", port))
            sock.send(_PROBE)
            sock.recv(512)
            return
        time.sleep(0.05)
    raise SystemExit(f"no name server answers: {process.args!r}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path
