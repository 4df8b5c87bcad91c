"""Variables that tell a container where the Services are (``pkg/kubelet/envvars``, and docker's old link variables)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.types import Object

#: The Service whose variables every pod gets, whatever its namespace and settings: in-cluster clients read them.
_MASTER = ("default", "kubernetes")


def service_environment(services: Iterable[Object], namespace: str, enable_service_links: bool) -> dict[str, str]:
    """The variables for a pod of ``namespace`` from all Services there are right now.

    Headless and ExternalName Services give none. A Service named ``kubernetes`` in the pod's own namespace overrides
    the cluster's, as the kubelet has it.
    """
    seen: dict[str, Object] = {}
    for service in services:
        if (service.get("spec") or {}).get("clusterIP") in (None, "", "None"):
            continue
        where, name = namespace_of(service), name_of(service)
        if (where, name) == _MASTER:
            seen.setdefault(name, service)
        elif where == namespace and enable_service_links:
            seen[name] = service
    environment: dict[str, str] = {}
    for name in sorted(seen):
        spec = seen[name]["spec"]
        ports = tuple(
            (port["port"], port.get("name") or "", port.get("protocol") or "TCP") for port in spec.get("ports") or ()
        )
        environment.update(_variables(name, spec["clusterIP"], ports))
    return environment


def variable_name(text: str) -> str:
    """A Service's or port's name as part of a variable's: ``my-svc.v1`` -> ``MY_SVC_V1``, ``3scale`` -> ``_3SCALE``."""
    mangled = text.replace(".", "_").replace("-", "_").upper()
    return f"_{mangled}" if mangled[:1].isdigit() else mangled


@lru_cache(maxsize=4096)
def _variables(name: str, address: str, ports: tuple[tuple[int, str, str], ...]) -> Mapping[str, str]:
    """One Service's variables, shared: never changed. Remembered, since every container needs those of all Services."""
    return dict(_make_variables(name, address, ports))


def _make_variables(name: str, address: str, ports: tuple[tuple[int, str, str], ...]) -> Iterator[tuple[str, str]]:
    if not ports:
        return
    prefix = variable_name(name)
    host = f"[{address}]" if ":" in address else address
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(ports[0][0])
    for number, port_name, _ in ports:
        if port_name:
            yield f"{prefix}_SERVICE_PORT_{variable_name(port_name)}", str(number)
    for index, (number, _, protocol) in enumerate(ports):
        url = f"{protocol.lower()}://{host}:{number}"
        if index == 0:
            yield f"{prefix}_PORT", url
        link = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield link, url
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", str(number)
        yield f"{link}_ADDR", address
