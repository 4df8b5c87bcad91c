"""Pods reach what is outside the cluster where the machine can, and nothing is left on the machine.

The machine is a network namespace of the test's own, and outside of it is another one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.linux.netlink import Netlink
from tests.support.minik import MinikCluster, eventually
from tests.support.netlab import Namespace

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a machine")]

MACHINE, OUTSIDE = "198.51.100.1", "198.51.100.2"
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: client, image: minik.local/host, command: [sleep, infinity]}]
"""


@contextlib.contextmanager
def web_server(place: Namespace) -> Iterator[None]:
    """Answers every HTTP request with the address of the client."""
    listener = place.run(lambda: socket.create_server((OUTSIDE, 80)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, peer = listener.accept()
                with sock:
                    sock.recv(4096)
                    sock.sendall(f"HTTP/1.0 200 OK\r\n\r\n{peer[0]}".encode())

    thread = threading.Thread(target=serve, name="outside")
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


@pytest.fixture
def machine() -> Iterator[Namespace]:
    own, other = Namespace(), Namespace()
    try:
        with own.netlink() as net:
            net.link_add_veth("uplink", "eth0", other.fd)
            net.addr_add("uplink", f"{MACHINE}/24")
        with other.netlink() as net:
            net.link_up("eth0")
            net.addr_add("eth0", f"{OUTSIDE}/24")
        with web_server(other):
            yield own
    finally:
        own.close()
        other.close()


@pytest.fixture
def cluster(machine: Namespace) -> Iterator[MinikCluster]:
    home = Path(tempfile.mkdtemp(prefix="minik-outside-"))
    made = MinikCluster(home, name="outside", netns=f"/proc/{os.getpid()}/fd/{machine.fd}")
    try:
        yield made
    finally:
        made.minik("down", "--name", made.name, check=False)
        shutil.rmtree(home, ignore_errors=True)


def state(machine: Namespace) -> tuple[list[bytes], list[object], list[str]]:
    """What a cluster could leave on its machine."""

    def read() -> tuple[list[bytes], list[object], list[str]]:
        with Netlink() as netlink, contextlib.closing(Netfilter()) as netfilter:
            tables = [body for family in (nf.INET, nf.IPV4, nf.IPV6) for body in netfilter.dump(1, family)]
            return tables, list(netlink.routes()), [link.name for link in netlink.links()]

    return machine.run(read)


def ask_outside(cluster: MinikCluster) -> str:
    cluster.apply(CLIENT)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    return cluster.exec("client", "curl", "-sS", "--max-time", "20", f"http://{OUTSIDE}/", check=False)


def test_root_masquerades_and_a_killed_cluster_leaves_nothing(machine: Namespace, cluster: MinikCluster) -> None:
    before = state(machine)
    cluster.up(nodes=1)
    assert "outside the cluster: by masquerade" in cluster.minik("status", "--name", cluster.name, check=False).stdout
    assert ask_outside(cluster) == MACHINE
    os.kill(cluster.control("status")["pid"], signal.SIGKILL)
    eventually(lambda: state(machine) == before, within=60, what="the machine to be as it was")


def test_a_machine_that_does_not_forward_is_not_made_to(machine: Namespace, cluster: MinikCluster) -> None:
    machine.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("0"))
    before = state(machine)
    cluster.up(nodes=1)
    answer = ask_outside(cluster)
    status = cluster.minik("status", "--name", cluster.name, check=False).stdout
    if shutil.which("slirp4netns") and os.access("/dev/net/tun", os.W_OK):
        assert "by slirp4netns" in status
        assert answer == MACHINE
    else:
        assert "not reachable: this machine does not forward" in status
        assert answer == ""
    assert machine.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text()) == "0\n"
    cluster.down()
    assert state(machine) == before
