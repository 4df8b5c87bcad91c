"""Where a streaming request goes, and by which path: pure decisions.

The agent's paths are the kubelet's own (``pkg/kubelet/server``), so that either can stand behind this server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from apiserver.refusals import internal
from apiserver.routes.request import Query, RequestInfo, is_true
from minikube_py.api.errors import BadRequest, ServiceUnavailable
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object

_DEFAULT_KUBELET_PORT = 10250
_ADDRESS_TYPES = ("InternalIP", "ExternalIP", "Hostname")
#: The API's parameters of exec and attach, and the kubelet's.
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_LOG_PARAMETERS = (
    "follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and port, with or without TLS (and then with our client certificate where it is an agent)."""

    host: str
    port: int
    tls: bool = True
    agent: bool = False

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"


def agent_endpoint(node: Object) -> Endpoint:
    """Where a node's agent listens. Raises InternalError where the node does not say."""
    status = node.get("status") or {}
    listed = reversed(status.get("addresses") or ())  # of each type the first counts: the primary family's
    addresses = {entry.get("type"): entry.get("address") for entry in listed}
    host = next((addresses[kind] for kind in _ADDRESS_TYPES if addresses.get(kind)), None)
    if host is None:
        raise internal(f"no preferred addresses found; known addresses: {status.get('addresses') or []}")
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    return Endpoint(str(host), int(endpoint.get("Port") or _DEFAULT_KUBELET_PORT), agent=True)


def _containers(pod: Object) -> list[str]:
    spec = pod["spec"]
    groups = (spec.get("initContainers"), spec.get("containers"), spec.get("ephemeralContainers"))
    return [str(container["name"]) for group in groups for container in group or ()]


def container_of(pod: Object, asked: str) -> str:
    """The container a request is about. Raises BadRequest where that is not clear."""
    names = _containers(pod)
    if asked:
        if asked not in names:
            raise BadRequest(f"container {asked} is not valid for pod {name_of(pod)}")
        return asked
    containers = pod["spec"].get("containers") or []
    if len(containers) == 1:
        return str(containers[0]["name"])
    choice = f", choose one of: [{' '.join(names)}]" if containers else ""
    raise BadRequest(f"a container name must be specified for pod {name_of(pod)}{choice}")


def node_of(pod: Object) -> str:
    """The node a pod is bound to. Raises BadRequest where it is not."""
    node = pod["spec"].get("nodeName")
    if not node:
        raise BadRequest(f"pod {name_of(pod)} does not have a host assigned")
    return str(node)


def _place(pod: Object, *more: str) -> str:
    meta = pod["metadata"]
    parts: list[str] = [meta["namespace"], meta["name"], *more]
    return "/".join(quote(part, safe="") for part in parts)


def command_path(action: str, pod: Object, query: Query) -> str:
    """The agent's path of an exec or attach."""
    container = container_of(pod, _first(query, "container"))
    parameters = [(theirs, "1") for ours, theirs in _STREAMS.items() if is_true(_first(query, ours))]
    if not any(name != "tty" for name, _ in parameters):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    parameters += [("command", word) for word in query.get("command", ())]
    return f"/{action}/{_place(pod, container)}?{urlencode(parameters)}"


def port_forward_path(pod: Object, query: Query) -> str:
    """The agent's path of a port-forward; WebSocket clients name the ports in the query."""
    ports = [port for text in query.get("ports", ()) for port in text.split(",") if port]
    return f"/portForward/{_place(pod)}" + (f"?{urlencode([('port', port) for port in ports])}" if ports else "")


def log_path(pod: Object, query: Query) -> str:
    """The agent's path of a container's log."""
    container = container_of(pod, _first(query, "container"))
    parameters = [(name, _first(query, name)) for name in _LOG_PARAMETERS if _first(query, name)]
    return f"/containerLogs/{_place(pod, container)}?{urlencode(parameters)}"


def _first(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def split_proxy_name(text: str) -> tuple[str, str, str]:
    """``[scheme:]name[:port]`` of a proxy request. Raises BadRequest."""
    parts = text.split(":")
    if len(parts) == 1:
        return "", parts[0], ""
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return parts[0], parts[1], parts[2]
    raise BadRequest(f'invalid proxy request "{text}"')


def pod_endpoint(pod: Object, scheme: str, port: str) -> Endpoint:
    """Where a pod answers: the port asked for (number or name), or its first. Raises BadRequest."""
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise BadRequest("address not allowed")
    ports = [entry for container in pod["spec"].get("containers") or () for entry in container.get("ports") or ()]
    if not port:
        number = ports[0]["containerPort"] if ports else (443 if scheme == "https" else 80)
    elif port.isdigit():
        number = int(port)
    else:
        number = next((entry["containerPort"] for entry in ports if entry.get("name") == port), 0)
    if not number:
        raise BadRequest(f'no port named "{port}" found')
    return Endpoint(str(address), int(number), tls=scheme == "https")


def service_port_name(service: Object, port: str) -> str:
    """The name of the Service port asked for by name or number. Raises ServiceUnavailable."""
    entries = (service.get("spec") or {}).get("ports") or []
    if not port and len(entries) == 1:
        return str(entries[0].get("name") or "")
    for entry in entries:
        if port and port in (entry.get("name"), str(entry.get("port"))):
            return str(entry.get("name") or "")
    raise ServiceUnavailable(f'no service port "{port}" found for service "{name_of(service)}"')


def service_endpoints(slices: Iterable[Object], scheme: str, port_name: str) -> list[Endpoint]:
    """The ready endpoints of one named port."""
    found = []
    for entry in slices:
        port = next((each for each in entry.get("ports") or () if (each.get("name") or "") == port_name), None)
        for endpoint in entry.get("endpoints") or ():
            ready: Mapping[str, object] = endpoint.get("conditions") or {}
            if port is not None and ready.get("ready") is not False:
                found += [Endpoint(address, int(port["port"]), scheme == "https") for address in endpoint["addresses"]]
    return found


def no_endpoints(name: str) -> ServiceUnavailable:
    """A Service with nobody behind it."""
    return ServiceUnavailable(f'no endpoints available for service "{name}"')


def not_upgraded() -> BadRequest:
    """A streaming request without an upgrade."""
    return BadRequest("Upgrade request required")


def proxied_path(info: RequestInfo) -> str:
    """What comes after ``proxy`` in the URL, with the slash it may end in."""
    return f"/{info.rest}" + ("/" if info.rest and info.path.endswith("/") else "")


def proxy_prefix(info: RequestInfo) -> str:
    """The URL's path up to and with ``proxy``: what links of proxied pages must begin with."""
    length = 7 if info.namespace else 5  # api/v1/namespaces/NAMESPACE/pods/NAME/proxy, api/v1/nodes/NAME/proxy
    return "/" + "/".join(info.path.strip("/").split("/")[:length])
