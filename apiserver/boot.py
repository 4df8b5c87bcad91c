"""What every cluster has from its first moment: the system namespaces and the ``kubernetes`` Service.

As upstream's ``pkg/controlplane`` makes them, but before the first request is answered instead of after it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from apiserver.admission.pods import SYSTEM_CLASSES
from apiserver.auth.defaults import default_objects
from apiserver.auth.identity import LOOPBACK
from apiserver.flowcontrol import defaults as flowcontrol
from apiserver.routes.catalog import Catalog
from apiserver.routes.writing import Writer, WriteRequest
from apiserver.serviceaddresses import ServiceAddresses
from minikube_py.api.meta import parse_time
from minikube_py.api.resources import (
    ENDPOINTS,
    ENDPOINTSLICES,
    NAMESPACES,
    PRIORITYCLASSES,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from minikube_py.api.types import Object
from minikube_py.config.parts import APIServerConfig

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_MANAGER = "kube-apiserver"


class Boot:
    """Plants boot objects; what is there already stays."""

    def __init__(
        self, *, catalog: Catalog, writer: Writer, config: APIServerConfig, addresses: ServiceAddresses
    ) -> None:
        self._catalog = catalog
        self._writer = writer
        self._config = config
        self._addresses = addresses

    def run(self, now: datetime) -> None:
        """Create what is missing, once the books know what is there."""
        self._addresses.start(self._writer.reader, now)
        for name in SYSTEM_NAMESPACES:
            self.ensure(NAMESPACES, {"metadata": {"name": name}}, now)
        for resource, obj in chain(kubernetes_service(self._config), priority_classes(), default_objects()):
            self.ensure(resource, obj, now)
        for resource, obj in flowcontrol.default_objects():
            self.ensure(resource, obj, now, manager=flowcontrol.PRODUCER)

    def ensure(self, resource: Resource, obj: Object, now: datetime, *, manager: str = _MANAGER) -> None:
        """Create one object where it is not there."""
        served = self._catalog.of(resource)
        meta = obj["metadata"]
        namespace = meta.get("namespace") or ""
        if served.collection.get(namespace, meta["name"]) is None:
            request = WriteRequest(served=served, user=LOOPBACK, now=now, namespace=namespace, manager=manager)
            self._writer.plant(request, {"kind": resource.kind, "apiVersion": resource.api_version} | obj)

    def follow(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """A new namespace has its ``default`` ServiceAccount at once, so that no pod in it is too early."""
        if resource is NAMESPACES and old is None and new is not None:
            account = {"metadata": {"name": "default", "namespace": new["metadata"]["name"]}}
            self.ensure(SERVICEACCOUNTS, account, parse_time(new["metadata"]["creationTimestamp"]))


def priority_classes() -> Iterator[tuple[Resource, Object]]:
    """The two classes above all that users may define."""
    for name, value, description in SYSTEM_CLASSES:
        yield PRIORITYCLASSES, {"metadata": {"name": name}, "value": value, "description": description}


def first_address(cidr: str) -> str:
    """The first usable address of a range: the ClusterIP of ``kubernetes``."""
    return str(ipaddress.ip_network(cidr)[1])


def kubernetes_service(config: APIServerConfig) -> Iterator[tuple[Resource, Object]]:
    """The ``kubernetes`` Service and where it leads."""
    address, port = config.advertise_address, config.advertise_port
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    name = {"name": "kubernetes", "namespace": "default"}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    spec = {
        "type": "ClusterIP",
        "clusterIP": first_address(config.network.service_cidrs[0]),
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
    }
    yield SERVICES, {"metadata": {**name, "labels": labels}, "spec": spec}
    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    yield (
        ENDPOINTS,
        {
            "metadata": {**name, "labels": skip},
            "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
        },
    )
    family = f"IPv{ipaddress.ip_address(address).version}"
    yield (
        ENDPOINTSLICES,
        {
            "metadata": {**name, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": ports,
        },
    )
