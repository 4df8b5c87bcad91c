"""What an administrator may change: ConfigMap ``kube-system/kube-dns``, in kube-dns' own documented form.

``stubDomains``: JSON, servers by domain. ``upstreamNameservers``: a JSON list that replaces the host's servers.
``hosts``: fixed names in hosts-file form. What cannot be read is logged and left out; the rest counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from agent.dns.forward import Routes
from agent.dns.hosts import StaticHosts, parse_hosts
from agent.dns.names import encode_name
from agent.dns.upstream import Server
from agent.dns.views import is_address
from minikube_py.api.types import Object

NAMESPACE, NAME = "kube-system", "kube-dns"

_log = logging.getLogger(__name__)


def parse_settings(config_map: Object | None) -> tuple[Routes, StaticHosts]:
    """The settings in a ConfigMap; the defaults where there is none."""
    data = (config_map or {}).get("data") or {}
    routes = Routes(
        stub_domains=_read(data, "stubDomains", _stub_domains) or {},
        upstreams=_read(data, "upstreamNameservers", _servers),
    )
    return routes, parse_hosts(str(data.get("hosts") or ""))


def _read(data: dict[str, str], key: str, reader: Callable[[Any], Any]) -> Any:
    if not data.get(key):
        return None
    try:
        return reader(orjson.loads(data[key]))
    except (ValueError, TypeError, AttributeError) as error:
        _log.warning("%s of ConfigMap %s/%s is ignored: %s", key, NAMESPACE, NAME, error)
        return None


def _stub_domains(value: Any) -> dict[bytes, tuple[Server, ...]]:
    return {encode_name(domain): _servers(servers) for domain, servers in value.items()}


def _servers(value: Any) -> tuple[Server, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of servers is wanted")
    servers = tuple(Server.parse(text) for text in value)
    for server in servers:
        if not is_address(server.host):
            raise ValueError(f"not an IP address: {server.host!r}")
    return servers
