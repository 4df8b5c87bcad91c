"""Defaults of Pods beyond those of every pod spec: requests from limits, service links, pod IPs."""

from __future__ import annotations

from apiserver.registry.checks import Fields
from apiserver.registry.core.podspec.defaults import default_pod_spec
from minikube_py.api.types import Object


def default_pod(pod: Object) -> None:
    """``SetDefaults_Pod`` and all it reaches, in place."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            _default_requests(container["resources"])
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if status := pod.get("status"):
        default_pod_ips(status)


def _default_requests(resources: Fields) -> None:
    limits = resources.get("limits")
    if limits:
        resources["requests"] = limits | (resources.get("requests") or {})


def default_pod_ips(status: Fields) -> None:
    """podIP and podIPs say the same."""
    single, several = status.get("podIP"), status.get("podIPs")
    if single and (not several or several[0].get("ip") != single):
        status["podIPs"] = [{"ip": single}]
    elif several and not single:
        status["podIP"] = several[0].get("ip")
