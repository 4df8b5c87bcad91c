"""The records of one Service: the Kubernetes DNS specification, version 1.1, as a pure function.

Beyond the specification, as CoreDNS has it and clients have come to rely on: SRV records at the Service's own name for
all its ports, and names (with their PTR) for the endpoints of a Service that has a cluster IP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.dns.names import encode_name, reverse_name
from agent.dns.records import RRSets, Type, address_data, address_type, srv_data
from agent.dns.views import Endpoint, Port, ServiceView, SliceView, is_address

#: Records by name, as one Service contributes them.
Contribution = dict[bytes, RRSets]


class _Gathering:
    """Collects records without repeating any, in the order in which they came."""

    def __init__(self) -> None:
        self._found: dict[bytes, dict[int, dict[bytes, None]]] = {}

    def add(self, name: bytes, kind: int, data: bytes) -> None:
        self._found.setdefault(name, {}).setdefault(kind, {})[data] = None

    def result(self) -> Contribution:
        return {
            name: {kind: tuple(sorted(values)) for kind, values in kinds.items()} for name, kinds in self._found.items()
        }


def service_records(service: ServiceView, slices: Iterable[SliceView], domain: str) -> Contribution:
    """Everything that a Service and its EndpointSlices give rise to, names in wire form."""
    gathering = _Gathering()
    own = f"{service.key.name}.{service.key.namespace}.svc.{domain}"
    if _encoded(own) is None:
        return {}
    if service.external_name:
        _add_alias(gathering, encode_name(own), service.external_name)
    elif service.headless:
        _add_endpoints(gathering, own, service, slices, headless=True)
    elif service.addresses:
        _add_cluster_ips(gathering, own, service)
        _add_endpoints(gathering, own, service, slices, headless=False)
    return gathering.result()


def _encoded(name: str) -> bytes | None:
    """None for what is too long to be a name."""
    try:
        return encode_name(name)
    except ValueError:
        return None


def _add_alias(gathering: _Gathering, own: bytes, target: str) -> None:
    """A CNAME; an external "name" that is an address, or no name at all, cannot be one."""
    name = _encoded(target)
    if name is not None and not is_address(target):
        gathering.add(own, Type.CNAME, name)


def _add_cluster_ips(gathering: _Gathering, own: str, service: ServiceView) -> None:
    name = encode_name(own)
    for address in service.addresses:
        gathering.add(name, address_type(address), address_data(address))
        gathering.add(reverse_name(address), Type.PTR, name)
    _add_srv(gathering, own, service.ports, [name])


def _add_endpoints(
    gathering: _Gathering, own: str, service: ServiceView, slices: Iterable[SliceView], *, headless: bool
) -> None:
    name = encode_name(own)
    targets: dict[Port, dict[bytes, None]] = {}
    for part in slices:
        for endpoint in _ready(part, service):
            target = _encoded(f"{endpoint.label}.{own}")
            if target is None:
                continue
            data = address_data(endpoint.address)
            gathering.add(target, address_type(endpoint.address), data)
            if headless:
                gathering.add(name, address_type(endpoint.address), data)
            gathering.add(reverse_name(endpoint.address), Type.PTR, target)
            for port in part.ports if headless else ():
                targets.setdefault(port, {})[target] = None
    for port, names in targets.items():
        _add_srv(gathering, own, [port], list(names))


def _ready(part: SliceView, service: ServiceView) -> Iterator[Endpoint]:
    return (endpoint for endpoint in part.endpoints if endpoint.ready or service.publish_not_ready)


def _add_srv(gathering: _Gathering, own: str, ports: Iterable[Port], targets: list[bytes]) -> None:
    """Equal priority and weight: the specification leaves both open; the numbers are CoreDNS's."""
    weight = max(1, 100 // len(targets))
    for port in ports:
        owners = [own, f"_{port.name}._{port.protocol}.{own}"] if port.name else [own]
        for owner in owners:
            for target in targets:
                gathering.add(encode_name(owner), Type.SRV, srv_data(0, weight, port.number, target))
