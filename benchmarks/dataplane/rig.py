"""Client, node and three pods in namespaces, with the programs that stand between them, pinned to cores alike."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from minikube_py.linux.namespaces import CLONE_NEWNET, setns
from tests.support.netlab import NODES, PODS, Lab

VIP = "10.96.0.50"
NODE_IP = NODES["node-1"][0]
HTTP, BULK = 8081, 5201
#: Load and endpoints on one core, the proxy on the other.
LOAD_CORE, PROXY_CORE = 0, 1

_NGINX_WEB = """
worker_processes 1; pid {dir}/{name}.pid; error_log /dev/null; daemon off;
events {{ worker_connections 12000; }}
http {{ access_log off; keepalive_requests 100000000; server {{ listen {port} backlog=4096;
  location / {{ return 200 '{body}'; }} }} }}
"""
_NGINX_STREAM = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes 1; pid {dir}/stream.pid; error_log /dev/null; daemon off;
events {{ worker_connections 12000; }}
stream {{
  upstream web {{ {web} }}
  upstream bulk {{ server {bulk}; }}
  server {{ listen {vip}:80 backlog=4096; proxy_pass web; tcp_nodelay on; }}
  server {{ listen {vip}:{bulk_port}; proxy_pass bulk; }}
}}
"""
_HAPROXY = """
global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen web
  bind {vip}:80
  balance roundrobin
{web}
listen bulk
  bind {vip}:{bulk_port}
  server s {bulk}
"""

_DNAT = """
table ip hand {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr {vip} tcp dport 80 dnat ip addr . port to numgen random mod {count} map {{ {web} }}
    ip daddr {vip} tcp dport {bulk_port} dnat to {bulk}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ct status dnat snat to {node}
  }}
}}
"""


@dataclass
class Proxy:
    """A way to the pods. ``pid`` 0: nothing of ours runs."""

    name: str
    address: str = VIP
    pid: int = 0
    pids: list[int] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """CPU time of the proxy's processes so far."""
        total = 0
        for pid in self.pids:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        """PSS of the proxy's processes."""
        total = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
        return total


class Rig:
    """The lab with web servers and an iperf3 server in its pods."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self._directory = directory

    def spawn(self, place: str, core: int, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Starts a program in a namespace, pinned to a core."""
        fd = self.lab.places[place].fd

        def enter() -> None:
            setns(fd, CLONE_NEWNET)
            os.sched_setaffinity(0, {core})

        return subprocess.Popen(command, preexec_fn=enter, **options)  # type: ignore[call-overload,no-any-return]

    def load(self, *command: str) -> str:
        """Runs a load generator in the client pod and gives its output."""
        process = self.spawn("a", LOAD_CORE, *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return process.communicate()[0].decode()

    @property
    def web(self) -> list[str]:
        """The web servers, all on node-1 but each in a pod of its own."""
        return [f"{PODS[name][1]}:{HTTP + number}" for name, number in (("b", 0), ("b", 10), ("b", 20))]

    @property
    def bulk(self) -> str:
        """The iperf3 server."""
        return f"{PODS['b'][1]}:{BULK}"

    @contextmanager
    def endpoints(self) -> Iterator[None]:
        """The servers, for the length of the block."""
        with ExitStack() as stack:
            # In TIME_WAIT a port delays whoever comes by it with another clock (TCP timestamps), as the next way does.
            no_time_wait = "echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets"
            self.spawn("b", LOAD_CORE, "sh", "-c", no_time_wait).wait()
            for number, address in enumerate(self.web):
                config = self._write(
                    f"web{number}", _NGINX_WEB, name=number, port=address.split(":")[1], body="x" * 1024
                )
                stack.enter_context(_running(self.spawn("b", LOAD_CORE, "nginx", "-c", config)))
            server = self.spawn("b", LOAD_CORE, "iperf3", "-s", "-p", str(BULK), stdout=subprocess.DEVNULL)
            stack.enter_context(_running(server))
            time.sleep(0.5)
            yield

    @contextmanager
    def proxy(self, name: str) -> Iterator[Proxy]:
        """One way to the pods, for the length of the block."""
        self._forget_connections()
        if name == "direct":
            yield Proxy(name, "")
            return
        if name == "dnat":
            with self._one_rule():
                yield Proxy(name, VIP)
            return
        process = self.spawn("node-1", PROXY_CORE, *self._command(name), stdout=subprocess.PIPE)
        with _running(process):
            if name in ("userspace", "nftables"):
                assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            while self.lab.ask("a", VIP, BULK)[0] == "refused":
                time.sleep(0.05)
            yield Proxy(name, VIP, process.pid, [process.pid, *_descendants(process.pid)])

    def _forget_connections(self) -> None:
        """What one way has left must not slow the next."""
        self.spawn("node-1", PROXY_CORE, "conntrack", "-F", stderr=subprocess.DEVNULL).wait()

    @contextmanager
    def _one_rule(self) -> Iterator[None]:
        """What a person would write, over the same servers: the measure of the nftables plane."""
        web = ", ".join(f"{number} : {at.replace(':', ' . ')}" for number, at in enumerate(self.web))
        places = {"vip": VIP, "count": len(self.web), "web": web, "bulk": self.bulk, "bulk_port": BULK, "node": NODE_IP}
        rules = _DNAT.format(**places)
        for command in (rules, "delete table ip hand"):
            process = self.spawn("node-1", PROXY_CORE, "nft", "-f", "-", stdin=subprocess.PIPE)
            process.communicate(command.encode())
            if command is rules:
                yield

    def _command(self, name: str) -> list[str]:
        servers = self.web
        if name == "haproxy":
            web = "\n".join(f"  server s{n} {each}" for n, each in enumerate(servers))
            config = self._write("haproxy", _HAPROXY, vip=VIP, web=web, bulk=self.bulk, bulk_port=BULK)
            return ["haproxy", "-f", config, "-db", "-q"]
        if name == "nginx":
            web = " ".join(f"server {each};" for each in servers)
            return [
                "nginx",
                "-c",
                self._write("stream", _NGINX_STREAM, vip=VIP, web=web, bulk=self.bulk, bulk_port=BULK),
            ]
        services = f"{VIP}:80={','.join(servers)}", f"{VIP}:{BULK}={self.bulk}"
        return [sys.executable, "-m", "benchmarks.dataplane.serve", name, NODE_IP, *services]

    def _write(self, name: str, template: str, /, **values: object) -> str:
        path = self._directory / f"{name}.conf"
        path.write_text(template.format(dir=self._directory, **values))
        return str(path)


@contextmanager
def rig() -> Iterator[Rig]:
    """The whole set-up. Congestion control is set, for namespaces inherit the machine's and BBR is slow over veths."""
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        for place in lab.places.values():
            place.run(lambda: Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno"))
            place.run(lambda: Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("1"))
        made = Rig(lab, Path(directory))
        with made.endpoints():
            yield made


@contextmanager
def _running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [each for child in children for each in _descendants(int(child))]
