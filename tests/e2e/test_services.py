"""The Service examples with a real kubectl: one of each kind of Service, and who answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.support.minik import ROOT, MinikCluster, eventually

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples" / "services"


@pytest.fixture(scope="module")
def services(cluster: MinikCluster) -> Iterator[MinikCluster]:
    cluster.kubectl("apply", "-f", str(EXAMPLES))
    cluster.kubectl("wait", "--timeout=60s", "--for=condition=Available", "deployment/echo")
    cluster.kubectl("wait", "--timeout=60s", "--for=condition=Ready", "pod/client")
    yield cluster
    cluster.kubectl("delete", "-f", str(EXAMPLES))
    eventually(lambda: not cluster.get("pods", "-l", "app=echo")["items"], what="the pods to go")


def pods(cluster: MinikCluster) -> dict[str, Any]:
    return {pod["metadata"]["name"]: pod for pod in cluster.get("pods", "-l", "app=echo")["items"]}


def ask(cluster: MinikCluster, url: str, times: int = 30) -> list[str]:
    """The names of the pods that answered a client in a pod."""
    script = f"for i in $(seq {times}); do curl -sS --max-time 5 {url}/hostname; done"
    return cluster.exec("client", "sh", "-c", script).split()


def fetch(url: str) -> str:
    """An answer on this machine; "" while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode().strip())
    except (urllib.error.URLError, OSError):
        return ""


@pytest.mark.parametrize("name", ["internal", "node-port", "balanced", "external-ips"])
def test_every_pod_answers_behind_a_virtual_address(services: MinikCluster, name: str) -> None:
    assert set(ask(services, f"http://{name}")) == set(pods(services))


def test_a_node_port_answers_on_this_machine(services: MinikCluster) -> None:
    assert {fetch("http://127.0.0.1:30017/hostname") for _ in range(40)} == set(pods(services))


@pytest.mark.parametrize("name", ["balanced", "local"])
def test_a_balancer_has_an_address_and_is_published_on_this_machine(services: MinikCluster, name: str) -> None:
    def published() -> str:
        notes = services.get("service", name)["metadata"].get("annotations") or {}
        return str(notes.get("minik.io/published", ""))

    place = eventually(published, what="the annotation").partition("=")[2]

    def given() -> list[dict[str, Any]]:
        balancer = services.get("service", name)["status"].get("loadBalancer") or {}
        return list(balancer.get("ingress") or ())

    ingress = eventually(given, what="the address")
    assert ip_address(ingress[0]["ip"]) in ip_network(services.network()["load_balancer_cidrs"][0])
    eventually(lambda: fetch(f"http://{place}/hostname"), what="the balancer to answer")
    assert {fetch(f"http://{place}/hostname") for _ in range(40)} == set(pods(services))
    assert set(ask(services, f"http://{ingress[0]['ip']}")) == set(pods(services))


def test_an_external_ip_answers_from_inside(services: MinikCluster) -> None:
    assert set(ask(services, "http://203.0.113.80")) == set(pods(services))


def test_an_external_name_is_another_name(services: MinikCluster) -> None:
    assert set(ask(services, "http://elsewhere")) == set(pods(services))


def test_a_headless_service_has_the_pods_addresses(services: MinikCluster) -> None:
    found = services.exec("client", "getent", "ahostsv4", "headless").splitlines()
    assert {line.split()[0] for line in found} == {pod["status"]["podIP"] for pod in pods(services).values()}
    assert set(ask(services, "http://headless:9376")) <= set(pods(services))


def test_endpoints_by_hand_lead_out_of_the_cluster(services: MinikCluster) -> None:
    api = services.get("endpointslice", "kubernetes")["endpoints"]  # another address than the example's, if this is not
    patch = json.dumps({"endpoints": api})  # the machine's first cluster
    services.kubectl("patch", "endpointslice", "by-hand-1", "--type=merge", "-p", patch)
    answer = services.exec("client", "curl", "-sk", "--max-time", "5", "https://by-hand/version")
    assert '"gitVersion"' in answer or "Unauthorized" in answer or "Forbidden" in answer


def test_a_sticky_client_keeps_its_pod(services: MinikCluster) -> None:
    assert len(set(ask(services, "http://sticky"))) == 1


@pytest.mark.parametrize("service", ["internal", "internal:80", "http:internal:80"])
def test_the_api_server_leads_to_a_service(services: MinikCluster, service: str) -> None:
    path = f"/api/v1/namespaces/default/services/{service}/proxy/hostname"
    assert services.kubectl("get", "--raw", path).stdout.strip() in pods(services)


def test_the_api_server_leads_to_a_pod(services: MinikCluster) -> None:
    name = next(iter(pods(services)))
    path = f"/api/v1/namespaces/default/pods/{name}:9376/proxy/hostname"
    assert services.kubectl("get", "--raw", path).stdout.strip() == name


def test_the_api_server_asks_over_tls_where_it_is_told_to(services: MinikCluster) -> None:
    path = "/api/v1/namespaces/default/services/https:kubernetes:https/proxy/version"
    assert json.loads(services.kubectl("get", "--raw", path).stdout)["major"] == "1"
