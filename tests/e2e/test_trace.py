"""Requests go the way that was foretold, over random Services, policies, nodes and sources, on every data plane."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from minikube_py.aio.clock import SystemClock
from minikube_py.cli.trace import Asked, trace_way
from minikube_py.client.access import Access
from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.insight.trace.meeting import Way
from tests.support.descriptors import open_descriptors
from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {app}}}, ports: [{{port: 80, targetPort: 8080}}], {spec}}}
---
"""
_POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {app}}}}}
spec:
  nodeName: {node}
  hostNetwork: {shared}
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, {container}}}]
---
"""
_ECHO = "image: minik.local/echo, ports: [{containerPort: 8080}]"
_UNREADY = _ECHO + ", readinessProbe: {periodSeconds: 1, tcpSocket: {port: 1}}"
_SHELL = 'image: minik.local/host, command: [sleep, "100000"]'
_PODS_ONLY = (Way.CLUSTER_IP,)
_EVERY_WAY = (Way.CLUSTER_IP, Way.NODE_PORT, Way.LOAD_BALANCER)
#: Service -> (labels it selects, the rest of its spec, by which ways it is asked).
_SERVICES: dict[str, tuple[str, str, tuple[Way, ...]]] = {
    "plain": ("web", "type: ClusterIP", _PODS_ONLY),
    "inner": ("web", "internalTrafficPolicy: Local", _PODS_ONLY),
    "nobody": ("none", "type: NodePort", (Way.CLUSTER_IP, Way.NODE_PORT)),
    "headless": ("web", "clusterIP: None", _PODS_ONLY),
    "sticky": ("web", "type: NodePort, sessionAffinity: ClientIP", (Way.CLUSTER_IP, Way.NODE_PORT)),
    "node": ("web", "type: NodePort", (Way.NODE_PORT,)),
    "node-local": ("web", "type: NodePort, externalTrafficPolicy: Local", (Way.CLUSTER_IP, Way.NODE_PORT)),
    "lb": ("web", "type: LoadBalancer", _EVERY_WAY),
    "lb-local": ("web", "type: LoadBalancer, externalTrafficPolicy: Local", _EVERY_WAY),
    "ext": ("web", 'externalIPs: ["203.0.113.77"]', (Way.CLUSTER_IP, Way.EXTERNAL_IP)),
}
_DRAWS = 20
_PATIENCE_SECONDS = 60.0


class Draw(NamedTuple):
    start: str
    service: str
    way: Way
    at: str


def _manifest(nodes: list[str]) -> str:
    def pod(name: str, app: str, node: str, container: str, shared: str = "false") -> str:
        return _POD.format(name=name, app=app, node=node, container=container, shared=shared)

    services = (_SERVICE.format(name=name, app=app, spec=spec) for name, (app, spec, _) in _SERVICES.items())
    pods = [
        pod("web-1", "web", nodes[0], _ECHO),
        pod("web-2", "web", nodes[1], _ECHO),
        pod("web-3", "web", nodes[2], _UNREADY),
        pod("client-1", "client", nodes[0], _SHELL),
        pod("client-3", "client", nodes[2], _SHELL),
        pod("edge-2", "client", nodes[1], _SHELL, "true"),
        pod("edge-3", "client", nodes[2], _SHELL, "true"),
    ]
    return "".join((*services, *pods))


def _draws(nodes: list[str], seed: int) -> set[Draw]:
    """Different ones. The machine itself asks by node ports and balancers only."""
    chance = random.Random(seed)
    found: set[Draw] = set()
    while len(found) < _DRAWS:
        name = chance.choice(sorted(_SERVICES))
        way = chance.choice(_SERVICES[name][2])
        start = chance.choice(("client-1", "client-3", "edge-2", "edge-3", "host"))
        if start == "host" and way in (Way.CLUSTER_IP, Way.EXTERNAL_IP):
            continue
        at = chance.choice(nodes) if way is Way.NODE_PORT and start != "host" else ""
        found.add(Draw(start, name, way, at))
    return found


async def _agrees(access: Access, namespace: str, draw: Draw) -> str:
    """ "" where it does, in the end: what is programmed follows the objects a moment later."""
    clock = SystemClock()
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while True:
        asked = Asked(namespace, draw.start, draw.service, draw.way, draw.at)
        path, sent = await trace_way(access, asked, send=True)
        if sent is not None and sent.agrees:
            return ""
        if clock.monotonic() > deadline:
            return f"{draw}: {path.outcome} {path.endpoints} kept={path.keeps_source}, but {sent}"
        await clock.sleep(0.2)


async def _all_agree(access: Access, namespace: str, draws: set[Draw]) -> list[str]:
    before = open_descriptors("socket:")
    told = await asyncio.gather(*(_agrees(access, namespace, each) for each in draws))
    clock = SystemClock()
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while (
        open_descriptors("socket:") - before and clock.monotonic() < deadline
    ):  # TLS says goodbye a moment after the sessions
        gc.collect()
        await clock.sleep(0.02)
    return [each for each in told if each]


def _run(cluster: MinikCluster, namespace: str, seed: int) -> None:
    nodes = sorted(item["metadata"]["name"] for item in cluster.get("nodes")["items"])
    cluster.apply(_manifest(nodes), namespace=namespace)
    wait = ("--for=condition=Ready", "--timeout=60s", "-n", namespace)
    cluster.kubectl("wait", "pod/web-1", "pod/web-2", *wait)
    cluster.kubectl("wait", "pod", "-l", "app=client", *wait)
    ingress = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}"
    cluster.kubectl("wait", "service/lb", "service/lb-local", ingress, "--timeout=60s", "-n", namespace)
    access = load_kubeconfig([cluster.kubeconfig]).access
    wrong = asyncio.run(_all_agree(access, namespace, _draws(nodes, seed)))
    assert not wrong, f"seed {seed}:\n" + "\n".join(wrong) + cluster.logs()


def test_in_userspace(cluster: MinikCluster, namespace: str) -> None:
    _run(cluster, namespace, random.randrange(10**6))


def test_in_nftables(make_cluster: Callable[..., MinikCluster]) -> None:
    cluster = make_cluster(name="nft")
    cluster.up(nodes=3, extra=("--proxy-mode", "nftables"))
    _run(cluster, "default", random.randrange(10**6))
