"""Service variables, compared with what a kubelet gives."""

from __future__ import annotations

import pytest

from agent.pods.environment.services import service_environment, variable_name
from minikube_py.api.types import Object
from tests.support.services import port, service


def in_namespace(obj: Object, namespace: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


KUBERNETES = service("kubernetes", ip="10.96.0.1", ports=[port(443, name="https")])
KUBERNETES_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
}


def test_the_documentations_example() -> None:
    redis = service("redis-primary", ip="10.0.0.11", ports=[port(6379)])
    assert service_environment([redis], "default", True) == {
        "REDIS_PRIMARY_SERVICE_HOST": "10.0.0.11",
        "REDIS_PRIMARY_SERVICE_PORT": "6379",
        "REDIS_PRIMARY_PORT": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP_PROTO": "tcp",
        "REDIS_PRIMARY_PORT_6379_TCP_PORT": "6379",
        "REDIS_PRIMARY_PORT_6379_TCP_ADDR": "10.0.0.11",
    }


def test_several_ports_and_protocols() -> None:
    dns = service("abc-123", ip="5.6.7.8", ports=[port(53, name="u-d-p", protocol="UDP"), port(8080, name="p.http")])
    found = service_environment([dns], "default", True)
    assert found["ABC_123_SERVICE_PORT"] == "53"
    assert found["ABC_123_SERVICE_PORT_U_D_P"] == "53"
    assert found["ABC_123_SERVICE_PORT_P_HTTP"] == "8080"
    assert found["ABC_123_PORT"] == "udp://5.6.7.8:53"
    assert found["ABC_123_PORT_53_UDP"] == "udp://5.6.7.8:53"
    assert found["ABC_123_PORT_8080_TCP_PROTO"] == "tcp"
    assert len(found) == 13


def test_an_ipv6_address_is_bracketed_in_urls_only() -> None:
    found = service_environment([service("web", ip="fd00::5", ports=[port(80)])], "default", True)
    assert found["WEB_SERVICE_HOST"] == found["WEB_PORT_80_TCP_ADDR"] == "fd00::5"
    assert found["WEB_PORT"] == "tcp://[fd00::5]:80"


def test_kubernetes_is_always_there_and_other_namespaces_never() -> None:
    other = in_namespace(service("web"), "other")
    assert service_environment([other, KUBERNETES], "mine", True) == KUBERNETES_VARIABLES
    assert service_environment([other, KUBERNETES, in_namespace(service("web"), "mine")], "mine", False) == (
        KUBERNETES_VARIABLES
    )


def test_a_service_named_kubernetes_of_ones_own_overrides() -> None:
    own = in_namespace(service("kubernetes", ip="10.96.9.9", ports=[port(1)]), "mine")
    for order in ([own, KUBERNETES], [KUBERNETES, own]):
        assert service_environment(order, "mine", True)["KUBERNETES_SERVICE_HOST"] == "10.96.9.9"
        assert service_environment(order, "mine", False)["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


@pytest.mark.parametrize("address", ["None", "", None])
def test_services_without_an_address_give_none(address: str | None) -> None:
    headless = service("db", ip=address)  # type: ignore[arg-type]
    assert service_environment([headless], "default", True) == {}


@pytest.mark.parametrize(("name", "variable"), [("my-svc.v1", "MY_SVC_V1"), ("3scale", "_3SCALE"), ("x", "X")])
def test_names_are_mangled(name: str, variable: str) -> None:
    assert variable_name(name) == variable
