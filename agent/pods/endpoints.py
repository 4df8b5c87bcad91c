"""Where a probe or hook of a container goes: host, named ports, headers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.pods.http import Request


class UnknownPort(Exception):
    """A port name that the container does not declare, or a number out of range."""


def resolve_port(port: Any, container: Mapping[str, Any]) -> int:
    """The number of a port given as a number or as the name of one of the container's ports. Raises UnknownPort."""
    if isinstance(port, int):
        number = port
    elif str(port).isdigit():
        number = int(port)
    else:
        declared = (one["containerPort"] for one in container.get("ports") or () if one.get("name") == port)
        number = next(declared, 0)
        if not number:
            raise UnknownPort(f"couldn't find port: {port!r}")
    if not 0 < number < 65536:
        raise UnknownPort(f"invalid port number: {number}")
    return number


def http_request(action: Mapping[str, Any], container: Mapping[str, Any], pod_ip: str) -> Request:
    """The request of an httpGet action. Raises UnknownPort."""
    path = str(action.get("path") or "/")
    return Request(
        scheme=str(action.get("scheme") or "HTTP").lower(),
        host=str(action.get("host") or pod_ip),
        port=resolve_port(action.get("port"), container),
        path=path if path.startswith("/") else f"/{path}",
        headers={header["name"]: header.get("value", "") for header in action.get("httpHeaders") or ()},
    )
