"""IPAddress and ServiceCIDR objects, and the books behind them."""

from __future__ import annotations

from typing import Any

from tests.integration.apiserver.conftest import HTTP

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
RANGES = "/apis/networking.k8s.io/v1/servicecidrs"


def _service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]} | spec}


async def test_the_first_range_is_ready(http: HTTP) -> None:
    default = (await http("GET", f"{RANGES}/kubernetes")).body
    assert default["spec"]["cidrs"] and default["status"]["conditions"][0]["type"] == "Ready"


async def test_addresses_follow_services(http: HTTP) -> None:
    address = (await http("POST", SERVICES, _service("web"))).body["spec"]["clusterIP"]
    held = (await http("GET", f"{ADDRESSES}/{address}")).body
    assert held["spec"]["parentRef"] == {"resource": "services", "namespace": "default", "name": "web"}
    assert (await http("DELETE", f"{SERVICES}/web")).status == 200
    assert (await http("GET", f"{ADDRESSES}/{address}")).status == 404


async def test_kubernetes_holds_the_first_address(http: HTTP) -> None:
    first = (await http("GET", f"{SERVICES}/kubernetes")).body["spec"]["clusterIP"]
    assert (await http("GET", f"{ADDRESSES}/{first}")).body["spec"]["parentRef"]["name"] == "kubernetes"
    refused = await http("POST", SERVICES, _service("thief", clusterIP=first))
    assert refused.status == 422 and "provided IP is already allocated" in refused.body["message"]


async def test_a_dry_run_takes_nothing(http: HTTP) -> None:
    before = len((await http("GET", ADDRESSES)).body["items"])
    dry = (await http("POST", f"{SERVICES}?dryRun=All", _service("dry", type="NodePort"))).body
    assert len((await http("GET", ADDRESSES)).body["items"]) == before
    port = dry["spec"]["ports"][0]["nodePort"]
    taken = _service("real", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    assert (await http("POST", SERVICES, taken)).status == 201
