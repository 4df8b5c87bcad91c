"""Names inside pods, looked up by the resolvers that people's programs use: glibc, musl, c-ares, busybox, dig."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 9376}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: sql, port: 5432, targetPort: 9376}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext}
spec: {type: ExternalName, externalName: web.NAMESPACE.svc.cluster.local}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec:
  hostname: web-0
  subdomain: db
  setHostnameAsFQDN: true
  hostAliases: [{ip: 192.0.2.7, hostnames: [alias.local]}]
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: minik.local/host, command: [sleep, "100000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: minik.local/host, command: [sh, -c, "trap 'exit 0' TERM; sleep 100000 & wait"]}]
"""
RESOLVE = """
#include <stdio.h>
#include <netdb.h>
#include <sys/socket.h>
int main(int count, char **names) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(names[1], 0, &hints, &found)) return 1;
    for (; found; found = found->ai_next) {
        char text[64];
        getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST);
        puts(text);
    }
}
"""
CARES = (
    "new (require('dns').Resolver)().resolve4(process.argv[1],"
    "(error, found) => { console.log((found || []).join('\\n')); process.exit(error ? 1 : 0) })"
)


class Names:
    """A client pod, and what its names ought to resolve to."""

    def __init__(self, cluster: MinikCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.web = self._get("service", "web")["spec"]["clusterIP"]
        self.pod = self._get("pod", "web-0")["status"]["podIP"]
        full = f"{namespace}.svc.cluster.local"
        self.expected = {
            "web": self.web,
            f"web.{namespace}": self.web,
            f"web.{namespace}.svc": self.web,
            f"web.{full}": self.web,
            f"web.{full}.": self.web,
            "db": self.pod,
            "web-0.db": self.pod,
            f"web-0.db.{full}": self.pod,
            "ext": self.web,
            "kubernetes.default": self.cluster.cluster_ip("kubernetes"),
            "nowhere": None,
            f"nowhere.{full}": None,
        }

    def _get(self, kind: str, name: str) -> dict[str, dict[str, str]]:
        shown = self.cluster.kubectl("get", kind, name, "-n", self.namespace, "-o", "json").stdout
        found: dict[str, dict[str, str]] = json.loads(shown)
        return found

    def run(self, *command: str, pod: str = "client") -> str:
        return self.cluster.kubectl("exec", "-n", self.namespace, pod, "--", *command, check=False).stdout


@pytest.fixture(scope="module")
def names(cluster: MinikCluster) -> Iterator[Names]:
    """One short namespace for all tests here: a hostname with the whole domain must fit into 64 characters."""
    namespace = "names"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST.replace("NAMESPACE", namespace))
    cluster.kubectl("wait", "-n", namespace, "--timeout=60s", "--for=condition=Ready", "pod", "--all")
    made = Names(cluster, namespace)
    eventually(lambda: made.run("getent", "hosts", "web-0.db"), what="the pod's name in DNS")
    yield made
    cluster.kubectl("delete", "namespace", namespace, "--wait=true", timeout=90)


def install(names: Names, compiler: str, folder: Path) -> str:
    """Compile the resolving program and bring it into the client pod."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    source, program, inside = folder / "resolve.c", folder / "resolve", f"/tmp/resolve-{compiler}"
    source.write_text(RESOLVE)
    subprocess.run(
        [compiler, "-o", str(program), str(source)] + (["-static"] if "musl" in compiler else []), check=True
    )
    unpack = f"base64 -d > {inside} && chmod +x {inside}"
    names.cluster.kubectl(
        "exec", "-i", "-n", names.namespace, "client", "--", "sh", "-c", unpack,
        stdin=base64.b64encode(program.read_bytes()).decode(),
    )  # fmt: skip
    return inside


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_the_c_libraries(names: Names, tmp_path: Path, compiler: str) -> None:
    program = install(names, compiler, tmp_path)
    found = {name: names.run(program, name).split() for name in names.expected}
    assert found == {name: [address] if address else [] for name, address in names.expected.items()}


def test_c_ares(names: Names) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node")
    full = {name: address for name, address in names.expected.items() if name.rstrip(".").endswith("cluster.local")}
    found = {name: names.run("node", "-e", CARES, name).split() for name in full}
    assert found == {name: [address] if address else [] for name, address in full.items()}


def test_busybox(names: Names) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("no busybox")
    answer = names.run("busybox", "nslookup", f"web.{names.namespace}.svc.cluster.local")
    assert f"Address: {names.web}" in answer


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig(names: Names, transport: str) -> None:
    if shutil.which("dig") is None:
        pytest.skip("no dig")
    full = f"{names.namespace}.svc.cluster.local"
    assert names.run("dig", transport, "+search", "+short", "web").split() == [names.web]
    reverse = names.run("dig", transport, "+short", "-x", names.pod).split()
    assert set(reverse) == {f"web-0.db.{full}.", f"{names.pod.replace('.', '-')}.web.{full}."}
    srv = names.run("dig", transport, "+short", "SRV", f"_sql._tcp.db.{full}").split()
    assert srv == ["0", "100", "9376", f"web-0.db.{full}."]


def test_files_and_hostname(names: Names) -> None:
    full = f"{names.namespace}.svc.cluster.local"
    dns = names.cluster.cluster_ip("kube-dns", namespace="kube-system")
    assert names.run("cat", "/etc/resolv.conf") == (
        f"search {full} svc.cluster.local cluster.local\nnameserver {dns}\noptions ndots:5\n"
    )
    assert names.run("hostname", pod="web-0").strip() == f"web-0.db.{full}"
    hosts = names.run("cat", "/etc/hosts", pod="web-0")
    assert f"{names.pod}\tweb-0.db.{full}\tweb-0\n" in hosts
    assert hosts.endswith("\n# Entries added by HostAliases.\n192.0.2.7\talias.local\n")


def test_a_pod_has_the_variables_of_services_that_were_there_before_it(names: Names) -> None:
    before = names.run("env")
    assert f"WEB_SERVICE_HOST={names.web}\n" in before
    assert f"KUBERNETES_SERVICE_HOST={names.cluster.cluster_ip('kubernetes')}\n" in before
    late = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "late"}, "spec": {"ports": [{"port": 80}]}}
    names.cluster.kubectl("apply", "-n", names.namespace, "-f", "-", stdin=json.dumps(late))
    assert "LATE_SERVICE_HOST" not in names.run("env")
    names.run("kill", "1")
    eventually(lambda: "LATE_SERVICE_HOST" in names.run("env"), what="the restarted container with the new variables")


def test_minik_dns_explains(names: Names) -> None:
    shown = names.cluster.minik(
        "dns", "--name", names.cluster.name, "--from", f"{names.namespace}/client", "web"
    ).stdout
    assert f"A     NOERROR   from Service {names.namespace}/web" in shown
    nothing = names.cluster.minik("dns", "--name", names.cluster.name, "nowhere", check=False)
    assert nothing.returncode == 1
    assert nothing.stdout.count("NXDOMAIN") >= 6
