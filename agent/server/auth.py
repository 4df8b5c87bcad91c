"""Who may use the agent's endpoint: holders of a certificate of the cluster's CA in the group that may do everything.

The API server authorizes users before it connects here with a certificate of ``system:masters``; everybody else is told
so. (Upstream's kubelet can also ask the API server by SubjectAccessReview; nobody here needs that.)
"""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import web

from minikube_py.config.parts import AgentConfig

_ADMINISTRATORS = "system:masters"


def server_context(config: AgentConfig) -> ssl.SSLContext:
    """TLS for the endpoint. A client without a certificate is let in as far as the 401."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.serving.certificate, config.serving.key)
    context.load_verify_locations(config.client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@web.middleware
async def require_administrator(request: web.Request, handler: Any) -> web.StreamResponse:
    """401 without a certificate, 403 for one of another group."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return web.Response(status=401, text="Unauthorized")
    user, groups = _identity(certificate)
    if _ADMINISTRATORS not in groups:
        where = request.path.split("/")[1]
        text = f"Forbidden (user={user}, verb={request.method.lower()}, resource=nodes, subresource={where})"
        return web.Response(status=403, text=text)
    response: web.StreamResponse = await handler(request)
    return response


def _identity(certificate: dict[str, Any]) -> tuple[str, list[str]]:
    parts = [pair for group in certificate.get("subject", ()) for pair in group]
    user = next((value for name, value in parts if name == "commonName"), "")
    return user, [value for name, value in parts if name == "organizationName"]
