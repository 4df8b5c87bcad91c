"""Services and their EndpointSlices and Endpoints."""

from __future__ import annotations

import time
from typing import Any

from minikube_py.api.meta import labels_of, name_of
from minikube_py.api.resources import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from minikube_py.api.types import Object
from tests.integration.controllers.conftest import Cluster
from tests.support.simulated import set_ready


def service(name: str = "web", **spec: Any) -> Object:
    port = {"port": 80, "targetPort": "http", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [port], "selector": {"app": name}, "ipFamilies": ["IPv4"]} | spec,
    }


def pod(name: str, port: int = 8080) -> Object:
    container = {"name": "c", "image": "web", "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}
    meta = {"name": name, "namespace": "default", "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}


async def endpoints(cluster: Cluster, name: str = "web") -> list[tuple[str, bool, int]]:
    found = []
    for entry in await cluster.items(ENDPOINTSLICES, selector=f"kubernetes.io/service-name={name}"):
        for endpoint in entry["endpoints"] or ():
            port = entry["ports"][0]["port"]
            found.append((endpoint["targetRef"]["name"], endpoint["conditions"]["ready"], port))
    return sorted(found)


async def test_slices_follow_pods(cluster: Cluster) -> None:
    await cluster.client.create(SERVICES, service())

    async def placeholder() -> list[Object]:
        return await cluster.items(ENDPOINTSLICES, selector="kubernetes.io/service-name=web")

    first = (await cluster.until(placeholder))[0]
    assert labels_of(first)["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    await cluster.client.create(PODS, pod("a"))
    await cluster.client.create(PODS, pod("b", 9090))

    async def both() -> bool:
        return await endpoints(cluster) == [("a", True, 8080), ("b", True, 9090)]

    await cluster.until(both)
    subsets = (await cluster.client.get(ENDPOINTS, "web", "default"))["subsets"]
    assert [subset["ports"][0]["port"] for subset in subsets] == [8080, 9090]
    await set_ready(cluster.client, pod("a"), False)

    async def one() -> bool:
        return ("a", False, 8080) in await endpoints(cluster)

    await cluster.until(one)
    await cluster.client.delete(PODS, "b", "default")

    async def gone() -> bool:
        return await endpoints(cluster) == [("a", False, 8080)]

    await cluster.until(gone)
    await cluster.client.delete(SERVICES, "web", "default")

    async def cleaned() -> bool:
        return not await placeholder() and not any(name_of(entry) == "web" for entry in await cluster.items(ENDPOINTS))

    await cluster.until(cleaned)


async def test_hand_made_endpoints_are_mirrored(cluster: Cluster) -> None:
    without = service("db")
    del without["spec"]["selector"]
    await cluster.client.create(SERVICES, without)
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 5432, "protocol": "TCP"}]}
    meta = {"name": "db", "namespace": "default"}
    await cluster.client.create(
        ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}
    )

    async def mirrored() -> bool:
        found = await cluster.items(ENDPOINTSLICES, selector="kubernetes.io/service-name=db")
        return [entry["endpoints"][0]["addresses"] for entry in found] == [["10.1.2.3"]]

    await cluster.until(mirrored)
    await cluster.client.delete(ENDPOINTS, "db", "default")

    async def gone() -> bool:
        return not await cluster.items(ENDPOINTSLICES, selector="kubernetes.io/service-name=db")

    await cluster.until(gone)


async def test_readiness_reaches_the_slice_quickly(cluster: Cluster) -> None:
    await cluster.client.create(SERVICES, service())
    await cluster.client.create(PODS, pod("a"))

    async def up() -> bool:
        return await endpoints(cluster) == [("a", True, 8080)]

    await cluster.until(up)
    took = []
    for number in range(20):
        wanted = bool(number % 2)
        since = time.perf_counter()
        await set_ready(cluster.client, pod("a"), wanted)
        while await endpoints(cluster) != [("a", wanted, 8080)]:
            pass
        took.append(time.perf_counter() - since)
    print(f"median {sorted(took)[10] * 1000:.1f} ms")  # noqa: T201 - a figure for people
