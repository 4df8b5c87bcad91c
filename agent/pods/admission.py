"""Whether this node can take a pod that was bound to it. Pure.

The scheduler has checked the same; a pod that was bound by hand, or by a scheduler that raced, is refused here as the
kubelet refuses it: phase Failed, with the reason that tells which resource or rule (``lifecycle/predicate.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.pods.model import TERMINAL_PHASES, app_containers, init_containers, spec_of, status_of
from agent.pods.status import Outcome
from minikube_py.api.meta import uid_of
from minikube_py.api.nodeaffinity import matches_required
from minikube_py.api.podresources import amounts, pod_requests
from minikube_py.api.types import Object

NODE_AFFINITY = "NodeAffinity"
#: The sysctls that a pod may set without the node's leave (``pkg/kubelet/sysctl``), all of its own namespaces.
SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_rmem", "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip


def admit(pod: Object, others: Iterable[Object], node: Object | None) -> Outcome | None:
    """The refusal, None where the pod may run. ``others`` are the pods that this node runs already."""
    if node is None:
        return None
    active = [other for other in others if uid_of(other) != uid_of(pod) and not _is_over(other)]
    return _system(pod) or _sysctls(pod) or _affinity(pod, node) or _ports(pod, active) or _resources(pod, active, node)


def resize_refusal(pod: Object, others: Iterable[Object], node: Object | None) -> str | None:
    """Why a running pod cannot have the resources that its spec asks for now; None where it can."""
    if node is None:
        return None
    active = [other for other in others if uid_of(other) != uid_of(pod) and not _is_over(other)]
    return next((words for _, words in _lacking({"spec": spec_of(pod)}, active, node)), None)


def _is_over(pod: Object) -> bool:
    return status_of(pod).get("phase") in TERMINAL_PHASES


def _refused(reason: str, message: str) -> Outcome:
    return Outcome("Failed", reason, f"Pod was rejected: {message}")


def _system(pod: Object) -> Outcome | None:
    if ((spec_of(pod).get("os") or {}).get("name") or "linux") == "linux":
        return None
    return _refused("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")


def _sysctls(pod: Object) -> Outcome | None:
    spec = spec_of(pod)
    for one in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = str(one.get("name") or "").replace("/", ".")
        kind, shared = ("ipc", spec.get("hostIPC")) if name.startswith("kernel.") else ("net", spec.get("hostNetwork"))
        if name not in SAFE_SYSCTLS:
            words = f'"{name}" not allowlisted'
        elif shared:
            words = f'"{name}" not allowed with host {kind} enabled'
        else:
            continue
        return _refused("SysctlForbidden", f"forbidden sysctl: {words}")
    return None


def _affinity(pod: Object, node: Object) -> Outcome | None:
    if matches_required(pod, node):
        return None
    return _refused(NODE_AFFINITY, "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")


def host_ports(pod: Object) -> set[tuple[str, str, int]]:
    """Protocol, address ("" is any) and number of each port that the pod takes on its node."""
    return {
        (
            str(port.get("protocol") or "TCP"),
            _address(port.get("hostIP")),
            int(port["hostPort"]),
        )
        for container in (*init_containers(pod), *app_containers(pod))
        for port in container.spec.get("ports") or ()
        if port.get("hostPort")
    }


def _address(text: str | None) -> str:
    return "" if text in (None, "0.0.0.0", "::") else str(text)


def _ports(pod: Object, others: list[Object]) -> Outcome | None:
    wanted = host_ports(pod)
    taken = [port for other in others for port in host_ports(other)]
    for protocol, address, number in wanted:
        for their_protocol, their_address, their_number in taken:
            same = (protocol, number) == (their_protocol, their_number)
            if same and (not address or not their_address or address == their_address):
                text = "node(s) didn't have free ports for the requested pod ports"
                return _refused("NodePorts", f"Predicate NodePorts failed: {text}")
    return None


def _resources(pod: Object, others: list[Object], node: Object) -> Outcome | None:
    return next((_refused(f"OutOf{name}", words) for name, words in _lacking(pod, others, node)), None)


def _lacking(pod: Object, others: list[Object], node: Object) -> Iterator[tuple[str, str]]:
    """Each resource of which the node has too little, with the sentence that says so."""
    capacity = amounts((node.get("status") or {}).get("allocatable"))
    if "pods" in capacity and len(others) + 1 > capacity["pods"]:
        numbers = f"requested: 1, used: {len(others)}, capacity: {capacity['pods']}"
        yield "pods", f"Node didn't have enough resource: pods, {numbers}"
    for name, asked in sorted(pod_requests(pod).items()):
        used = sum(pod_requests(other).get(name, 0) for other in others)
        if asked and asked + used > capacity.get(name, 0):
            numbers = f"requested: {asked}, used: {used}, capacity: {capacity.get(name, 0)}"
            yield name, f"Node didn't have enough resource: {name}, {numbers}"
