"""The cluster as containers, one for each part (``compose/``): the same plan as `minik up`'s, on an engine's network.

The container of the API server comes first and writes what all others read: certificates and configurations, in a
volume that they share. Containers have no order of addresses, and an engine gives them others after a restart; so a
node takes the address that its number has in the plan, besides the engine's, and everybody knows the way to every
node's pods without asking.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from minikube_py.cluster import kubeconfig
from minikube_py.cluster.certificates import Authority
from minikube_py.cluster.engine import container_labels, engine_socket
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.cluster.files import write_private
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.plan import (
    CONTROLPLANE_HEALTH_PORT,
    FABRIC_API_PORT,
    ClusterPlan,
    NodePlan,
    agent_config,
    apiserver_config,
    controlplane_config,
    identities,
    make_plan,
)
from minikube_py.cluster.runtimes import Runtimes
from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.documents import document_of
from minikube_py.config.parts import KeyPair, Told
from minikube_py.linux.netlink import Netlink

#: How many agents there may be: each has its certificate and its route from the beginning.
MOST_NODES: Final = 50
#: The user of the parts that need no privilege, as the image names it.
NOBODY: Final = 65532
CLOUD_HEALTH_PORT: Final = 10258
_DEVICE: Final = "eth0"
#: Where an agent's container sees the files of the engine's machine (compose.yaml).
MACHINE: Final = Path("/machine")
_NUMBER: Final = "com.docker.compose.container-number"


def container_plan(environment: Mapping[str, str]) -> ClusterPlan:
    """``MINIK_CLUSTER`` is its name, ``MINIK_NETWORK`` that of its nodes without the last byte; ``MINIK_PROXY_MODE``
    and ``MINIK_NODE_GRACE`` are options of `minik up`. Raises ValueError."""
    told: dict[str, Any] = {
        "name": environment.get("MINIK_CLUSTER", "minik").replace("_", "-"),
        "nodes": MOST_NODES,
        "runtime": "docker",
        "proxy_mode": environment.get("MINIK_PROXY_MODE") or "userspace",
        "node_grace": float(environment.get("MINIK_NODE_GRACE") or 40),
        "node_network": environment.get("MINIK_NETWORK", "192.168.232") + ".0/24",
    }
    config = ClusterConfig(**told)
    return make_plan(config, ClusterPaths.of(config.name), Runtimes("docker"))


def config_file(plan: ClusterPlan, part: str) -> Path:
    """What the part is told."""
    return plan.paths.configs / f"{part}.json"


def own_node(plan: ClusterPlan, environment: Mapping[str, str]) -> NodePlan:
    """The node of this container, by ``MINIK_NODE_NUMBER`` or by its number in the composition. Raises NoEngine."""
    number = environment.get("MINIK_NODE_NUMBER") or container_labels(engine_socket(), socket.gethostname())[_NUMBER]
    if not 1 <= int(number) <= MOST_NODES:
        raise NoEngine(f"there is room for {MOST_NODES} nodes, not for number {number}")
    return plan.nodes[int(number) - 1]


def prepare(plan: ClusterPlan, *, api_port: int) -> None:
    """Writes certificates, where there are none yet, and everybody's configuration. ``api_port``: the host's door."""
    paths = plan.paths
    for directory in (paths.root, paths.configs, paths.sockets):
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not paths.pki.exists():
        _make_certificates(plan)
    for part, config in _configs(plan).items():
        write_private(config_file(plan, part), document_of(config))
    admin = KeyPair(certificate=paths.pki / "admin.crt", key=paths.pki / "admin.key")
    server = f"https://127.0.0.1:{api_port}"
    kubeconfig.write(paths.kubeconfig, kubeconfig.render(plan.name, server, paths.pki / "ca.crt", admin))
    _journal(plan).parent.mkdir(mode=0o700, exist_ok=True)
    _share(plan)


def join_network(plan: ClusterPlan, own: NodePlan | None = None) -> None:
    """Gives this container the node's address, and the ways to the other nodes' pods. Raises OSError."""
    with Netlink() as netlink:
        if own is not None and own.ip not in {each.cidr.partition("/")[0] for each in netlink.addresses()}:
            netlink.addr_add(_DEVICE, f"{own.ip}/24")
        for node in plan.nodes:
            if own is not None and node.name == own.name:
                continue
            for cidr in node.pod_cidrs:
                source = own.ip if own is not None else None
                netlink.route_add(cidr, dev=_DEVICE, via=node.ip, src=source, onlink=True, replace=True)


def become_nobody() -> None:
    """Gives up root for good."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _make_certificates(plan: ClusterPlan) -> None:
    """All of them or none: a part that finds the directory finds it complete."""
    fresh = plan.paths.pki.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o750)
    authority = Authority(fresh)
    for name, identity in identities(plan).items():
        authority.issue(name, identity)
    authority.write_signing_key("sa")
    fresh.rename(plan.paths.pki)


def _configs(plan: ClusterPlan) -> dict[str, Told]:
    door = (f"0.0.0.0:{FABRIC_API_PORT}",)
    control = replace(controlplane_config(plan), host_sockets=None)
    found: dict[str, Told] = {
        "apiserver": replace(apiserver_config(plan, ()), listen=door, journal=_journal(plan), components=()),
        "controlplane": replace(control, parts=("scheduler", "controllers"), health_port=CONTROLPLANE_HEALTH_PORT),
        "cloud": replace(control, parts=("cloud",), edge=True, health_port=CLOUD_HEALTH_PORT),
    }
    for node in plan.nodes:
        found[f"agent-{node.name}"] = replace(agent_config(plan, node), host_sockets=None, host_root=MACHINE)
    return found


def _journal(plan: ClusterPlan) -> Path:
    return plan.paths.root / "apiserver" / "journal"


def _share(plan: ClusterPlan) -> None:
    """Readable for the unprivileged parts; the journal is the API server's own."""
    paths = plan.paths
    for directory in (paths.root, paths.configs, paths.pki):
        for path in (directory, *(entry for entry in directory.iterdir() if entry.is_file())):
            os.chown(path, 0, NOBODY)
            path.chmod(0o750 if path.is_dir() else 0o640)
    paths.root.parent.chmod(0o755)
    os.chown(_journal(plan).parent, NOBODY, NOBODY)
