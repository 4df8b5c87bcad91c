"""A small cluster network in namespaces: two nodes with pods, a fabric between them, and a world outside.

The same topology as a real cluster's (docs/architecture.md), made of veths and routes. Clients are blocking sockets in
their namespace; servers tell who they are and whom they see. Needs root, be it root of a user namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from minikube_py.linux import namespaces
from minikube_py.linux.netlink import Netlink

Result = TypeVar("Result")

WORLD = "198.51.100.2"
GATEWAY = "169.254.1.1"
SERVER_PORT = 8080
PODS = {
    "a": ("node-1", "10.244.0.2"),
    "b": ("node-1", "10.244.0.3"),
    "c": ("node-2", "10.244.1.2"),
    "d": ("node-2", "10.244.1.3"),
}
#: Addresses that are nobody's: external IPs and load balancers'. The fabric sends them, and Services, to node-1.
FOREIGN, FOREIGN6 = "203.0.113.0/24", "fd00:203::/64"
SERVICES, SERVICES6 = "10.96.0.0/16", "fd00:96::/112"
#: The same places in IPv6.
WORLD6, GATEWAY6, FABRIC6 = "fd00:51::2", "fd00:169::1", "fd00:230::1"
PODS6 = {"a": "fd00:10::2", "b": "fd00:10::3", "c": "fd00:10:0:1::2", "d": "fd00:10:0:1::3"}
NODES6 = {"node-1": ("fd00:230::11", "fd00:10::/64"), "node-2": ("fd00:230::12", "fd00:10:0:1::/64")}
NODES = {"node-1": ("192.168.230.11", "10.244.0.0/24"), "node-2": ("192.168.230.12", "10.244.1.0/24")}


class Namespace:
    """A network namespace with a thread that lives in it."""

    def __init__(self) -> None:
        self.thread = namespaces.NetnsThread()
        self.fd = self.run(lambda: namespaces.open_own("net"))
        self.run(self._prepare)

    def run(self, job: Callable[[], Result]) -> Result:
        return self.thread.run(job)

    def netlink(self) -> Netlink:
        return Netlink(self.fd)

    def close(self) -> None:
        self.thread.close()
        os.close(self.fd)

    def _prepare(self) -> None:
        with Netlink() as netlink:
            netlink.link_up("lo")
        for name in ("ip_forward", "conf/all/rp_filter", "conf/default/rp_filter", "icmp_ratemask"):
            with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
                file.write("1" if name == "ip_forward" else "0")
        for name, value in (("all/forwarding", "1"), ("all/accept_dad", "0"), ("default/accept_dad", "0")):
            with open(f"/proc/sys/net/ipv6/conf/{name}", "w") as file:
                file.write(value)
        with open("/proc/sys/net/ipv6/icmp/ratemask", "w") as file:
            file.write("127")


class LoopThread:
    """An asyncio loop on a thread inside a namespace: where an agent would run."""

    def __init__(self, place: Namespace) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(place.fd,), name="lab loop")
        self._thread.start()
        self._ready.wait()

    def _serve(self, fd: int) -> None:
        namespaces.setns(fd, namespaces.CLONE_NEWNET)
        self.loop = asyncio.new_event_loop()
        self.loop.call_soon(self._ready.set)
        self.loop.run_forever()
        self.loop.close()

    def run(self, job: Callable[[], Any]) -> Any:
        """Runs a plain function, or awaits a coroutine function, on the loop."""

        async def call() -> Any:
            result = job()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(20)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


class Lab:
    """Build with ``with Lab() as lab``; names are those of PODS and NODES, "fabric" and "world"."""

    def __enter__(self) -> Lab:
        self.places = {name: Namespace() for name in ("fabric", "world", *NODES, *PODS)}
        self._wire()
        self._servers = _Servers({name: self.places[name] for name in PODS})
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()
        for place in self.places.values():
            place.close()

    def ask(self, origin: str, ip: str, port: int, *, protocol: str = "TCP", timeout: float = 1.5) -> tuple[str, str]:
        """(who answered, whom it saw), or ("refused", "") or ("timeout", "")."""
        probe = _ask_udp if protocol == "UDP" else _ask_tcp
        return self.places[origin].run(lambda: probe(ip, port, timeout))

    def connect(self, origin: str, ip: str, port: int) -> socket.socket:
        """A connection from ``origin``, past the server's greeting."""
        sock = self.places[origin].run(lambda: socket.create_connection((ip, port), 2))
        sock.recv(100)
        return sock

    def _wire(self) -> None:
        fabric = self.places["fabric"]
        with fabric.netlink() as net:
            net.link_add_veth("world", "eth0", self.places["world"].fd)
            net.addr_add("world", "198.51.100.1/24")
            net.addr_add("world", "fd00:51::1/64")
        self._uplink("world", WORLD + "/24", "198.51.100.1")
        self._uplink("world", WORLD6 + "/64", "fd00:51::1")
        for number, (node, (ip, cidr)) in enumerate(NODES.items()):
            with fabric.netlink() as net:
                net.link_add_veth(f"n{number}", "eth0", self.places[node].fd)
                net.addr_add(f"n{number}", "192.168.230.1/32")
                net.route_add(ip + "/32", dev=f"n{number}")
                net.route_add(cidr, via=ip, dev=f"n{number}", onlink=True)
                ip6, cidr6 = NODES6[node]
                net.addr_add(f"n{number}", FABRIC6 + "/128")
                net.route_add(ip6 + "/128", dev=f"n{number}")
                net.route_add(cidr6, via=ip6, dev=f"n{number}", onlink=True)
            self._uplink(node, ip + "/32", "192.168.230.1")
            self._uplink(node, ip6 + "/128", FABRIC6)
            with self.places[node].netlink() as net:
                net.route_local(SERVICES)
                net.route_local(SERVICES6)
        with fabric.netlink() as net:
            for cidr in (FOREIGN, SERVICES, FOREIGN6, SERVICES6):
                via = (NODES6 if ":" in cidr else NODES)["node-1"][0]
                net.route_add(cidr, via=via, dev="n0", onlink=True)
        for pod, (node, ip) in PODS.items():
            with self.places[node].netlink() as net:
                net.link_add_veth(f"v{pod}", "eth0", self.places[pod].fd)
                net.addr_add(f"v{pod}", GATEWAY + "/32", scope=253)
                net.route_add(ip + "/32", dev=f"v{pod}", src=NODES[node][0])
                net.addr_add(f"v{pod}", GATEWAY6 + "/128")
                net.route_add(PODS6[pod] + "/128", dev=f"v{pod}", src=NODES6[node][0])
            self._uplink(pod, ip + "/32", GATEWAY)
            self._uplink(pod, PODS6[pod] + "/128", GATEWAY6)

    def _uplink(self, name: str, cidr: str, via: str) -> None:
        with self.places[name].netlink() as net:
            net.link_up("eth0")
            net.addr_add("eth0", cidr)
            net.route_add("default", via=via, dev="eth0", onlink=True)


class _Servers:
    """In every pod, TCP and UDP on SERVER_PORT: the pod's name and the client's address, then echo."""

    def __init__(self, places: dict[str, Namespace]) -> None:
        self._stop = threading.Event()
        self._threads = []
        for name, place in places.items():
            for serve, kind in ((self._serve_tcp, socket.SOCK_STREAM), (self._serve_udp, socket.SOCK_DGRAM)):
                sock = place.run(lambda kind=kind: _bound(kind))
                self._threads.append(threading.Thread(target=serve, args=(name, sock), name=f"lab {name}"))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _serve_tcp(self, name: str, sock: socket.socket) -> None:
        with sock:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError, OSError):
                    client, peer = sock.accept()
                    threading.Thread(
                        target=_talk, args=(client, f"{name} {peer[0].removeprefix('::ffff:')}\n".encode())
                    ).start()

    def _serve_udp(self, name: str, sock: socket.socket) -> None:
        with sock:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError, OSError):
                    _, peer = sock.recvfrom(2000)
                    sock.sendto(_greeting(name, peer[0]), peer)


def _greeting(name: str, client: str) -> bytes:
    return f"{name} {client.removeprefix('::ffff:')}\n".encode()


def _bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", SERVER_PORT))
    sock.settimeout(0.05)
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def _talk(client: socket.socket, greeting: bytes) -> None:
    with client, contextlib.suppress(OSError):
        client.settimeout(5)
        client.sendall(greeting)
        while data := client.recv(1 << 16):
            client.sendall(data)


def _ask_tcp(ip: str, port: int, timeout: float) -> tuple[str, str]:
    try:
        with socket.create_connection((ip, port), timeout) as sock:
            return _parse(sock.recv(100))
    except (ConnectionRefusedError, ConnectionResetError):
        return "refused", ""
    except TimeoutError:
        return "timeout", ""
    except OSError:
        return "unreachable", ""


def _ask_udp(ip: str, port: int, timeout: float) -> tuple[str, str]:
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect((ip, port))
            with contextlib.suppress(PermissionError):  # what a filter on this host drops; a refusal can still follow
                sock.send(b"who")
            return _parse(sock.recv(100))
        except ConnectionRefusedError:
            return "refused", ""
        except TimeoutError:
            return "timeout", ""
        except OSError:
            return "unreachable", ""


def _parse(greeting: bytes) -> tuple[str, str]:
    words = greeting.decode().split()
    return (words[0], words[1]) if len(words) == 2 else ("closed", "")


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    """A lab for the length of the block."""
    with Lab() as built:
        yield built
