"""A cluster of both IP families, its Services in the kernel, run by an ordinary user where there is one."""

from __future__ import annotations

import os
import pwd
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.load import Load
from tests.support.minik import UNPRIVILEGED, MinikCluster, eventually

pytestmark = pytest.mark.e2e

NAME = "both"
NODE_PORT = 30066
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - name: echo
          image: minik.local/echo
          ports: [{{containerPort: 8080}}]
          lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}  # a busy machine takes its time to withdraw endpoints
---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: client, image: minik.local/host, command: [sleep, infinity]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: dual}}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080, nodePort: {NODE_PORT}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: six}}
spec: {{ipFamilies: [IPv6], selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: balanced, annotations: {{minik.io/load-balancer-ip-mode: Proxy}}}}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080}}]
---
apiVersion: v1
kind: Service
metadata: {{name: headless}}
spec: {{clusterIP: None, ipFamilyPolicy: PreferDualStack, selector: {{app: web}}, ports: [{{port: 80}}]}}
"""


def _someone() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(UNPRIVILEGED).pw_name
    except KeyError:
        return None


@pytest.fixture(scope="module")
def both() -> Iterator[MinikCluster]:
    home = Path("/tmp") / f"minik-families-{os.getpid()}"
    home.mkdir()
    user = _someone()
    if user is not None:
        shutil.chown(home, user)
    cluster = MinikCluster(home, name=NAME, user=user)
    try:
        cluster.up(nodes=2, extra=["--ip-family", "dual", "--proxy-mode", "nftables"])
        cluster.apply(MANIFEST)
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        cluster.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
        eventually(lambda: len(_endpoints(cluster)) == 6, within=60, what="three endpoints of each family")
        yield cluster
    finally:
        cluster.minik("down", "--name", NAME, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _endpoints(cluster: MinikCluster) -> set[str]:
    """The ready addresses behind the dual Service."""
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=dual")["items"]
    ready = [each for one in slices for each in one.get("endpoints") or () if each["conditions"].get("ready")]
    return {each["addresses"][0] for each in ready}


def _is_ipv6(ip: str) -> bool:
    return ":" in ip


def test_nodes_pods_and_services_have_an_address_of_each_family(both: MinikCluster) -> None:
    for node in both.get("nodes")["items"]:
        ips = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
        assert [_is_ipv6(ip) for ip in ips] == [False, True]
        assert [_is_ipv6(cidr) for cidr in node["spec"]["podCIDRs"]] == [False, True]
    for pod in both.get("pods")["items"]:
        assert [_is_ipv6(each["ip"]) for each in pod["status"]["podIPs"]] == [False, True]
    assert [_is_ipv6(ip) for ip in both.get("service", "dual")["spec"]["clusterIPs"]] == [False, True]
    assert _is_ipv6(both.get("service", "six")["spec"]["clusterIP"])


@pytest.mark.parametrize(("name", "families"), [("dual", {4, 6}), ("six", {6}), ("headless", {4, 6})])
def test_names_have_records_of_the_services_families(both: MinikCluster, name: str, families: set[int]) -> None:
    found = {line.split()[0] for line in both.exec("client", "getent", "ahosts", name).splitlines()}
    assert {6 if _is_ipv6(ip) else 4 for ip in found} == families


@pytest.mark.parametrize(("version", "name"), [("-4", "dual"), ("-6", "dual"), ("-6", "six")])
def test_a_pod_keeps_its_address_in_either_family(both: MinikCluster, version: str, name: str) -> None:
    own = {each["ip"] for each in both.get("pod", "client")["status"]["podIPs"]}
    answer = both.exec("client", "curl", "-sS", version, "--max-time", "30", f"http://{name}/")
    (seen,) = [line.removeprefix("client: ") for line in answer.splitlines() if line.startswith("client: ")]
    assert seen.rpartition(":")[0].strip("[]") in own


def test_a_balancer_answers_at_an_address_of_each_family(both: MinikCluster) -> None:
    """``Proxy`` has pods go through the balancer, as those outside do."""

    def given() -> list[str]:
        balancer = both.get("service", "balanced")["status"].get("loadBalancer") or {}
        return [each["ip"] for each in balancer.get("ingress") or ()]

    addresses = eventually(given, what="the addresses")
    assert [_is_ipv6(ip) for ip in addresses] == [False, True]
    for ip in addresses:
        url = f"http://[{ip}]/hostname" if _is_ipv6(ip) else f"http://{ip}/hostname"
        curl = ("curl", "-sS", "--max-time", "5", url)
        eventually(lambda ask=curl: both.exec("client", *ask, check=False).startswith("web-"), what=url)  # type: ignore[misc]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_node_port_is_published_on_both_loopbacks(both: MinikCluster, host: str) -> None:
    with urllib.request.urlopen(f"http://{host}:{NODE_PORT}/hostname", timeout=30) as answer:
        assert answer.read().decode().startswith("web-")


@pytest.mark.parametrize("family", [0, 1])
def test_a_rolling_update_loses_no_request(both: MinikCluster, family: int) -> None:
    """Through the kernel's plane nobody retries for the client: endpoints must be withdrawn before they are deaf."""
    if os.geteuid() != 0:
        pytest.skip("only root may enter a node's network")
    ip = both.get("service", "dual")["spec"]["clusterIPs"][family]
    url = f"http://[{ip}]/hostname" if _is_ipv6(ip) else f"http://{ip}/hostname"
    before = _endpoints(both)
    with Load(url, process=both.parts()[f"agent-{NAME}-1"]) as load:
        load.wait_for(50)
        both.kubectl("set", "env", "deployment/web", f"VERSION={family}")
        both.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        eventually(lambda: not before & _endpoints(both), within=60, what="the old pods to leave")
        load.wait_for(50)
    assert not load.failures
    assert len(load.outcomes) > 100
