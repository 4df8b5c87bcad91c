"""What the Node object tells of the machine. Pure, given the machine's numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minikube_py.api.resources import KUBERNETES_VERSION
from minikube_py.api.types import Object

#: Images listed in a Node's status at most, largest first (the kubelet's nodeStatusMaxImages).
MAX_IMAGES = 50
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_PODS = "110"


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's numbers, read once."""

    cpus: int
    memory_bytes: int
    disk_bytes: int
    boot_id: str
    machine_id: str
    system_uuid: str
    kernel: str
    os_image: str
    architecture: str


def read_machine(state_dir: Path) -> Machine:
    """This machine."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=_memory_total(),
        disk_bytes=_disk_total(state_dir),
        boot_id=_line("/proc/sys/kernel/random/boot_id"),
        machine_id=_line("/etc/machine-id"),
        system_uuid=_line("/sys/class/dmi/id/product_uuid") or _line("/etc/machine-id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=_MACHINES.get(platform.machine(), platform.machine()),
    )


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _memory_total() -> int:
    for line in _line("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def available_memory() -> int:
    """Bytes that can be given out without swapping."""
    for line in _line("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _disk_total(path: Path) -> int:
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


def available_disk(path: Path) -> tuple[float, float]:
    """The free parts (0..1) of the file system's bytes and inodes."""
    found = os.statvfs(path)
    inodes = found.f_favail / found.f_files if found.f_files else 1.0
    return (found.f_bavail / found.f_blocks if found.f_blocks else 1.0), inodes


def _os_image() -> str:
    for line in _line("/etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def capacity(machine: Machine) -> dict[str, str]:
    """What the node has, and (nothing being reserved) can give to pods."""
    return {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk_bytes // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{machine.memory_bytes // 1024}Ki",
        "pods": _PODS,
    }


def standard_labels(name: str, machine: Machine) -> dict[str, str]:
    """The labels that every kubelet sets."""
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }


def addresses(name: str, ips: Iterable[str]) -> list[dict[str, str]]:
    """status.addresses."""
    return [*({"type": "InternalIP", "address": ip} for ip in ips), {"type": "Hostname", "address": name}]


def node_info(machine: Machine, runtime_version: str) -> dict[str, str]:
    """status.nodeInfo."""
    return {
        "architecture": machine.architecture,
        "bootID": machine.boot_id,
        "containerRuntimeVersion": runtime_version,
        "kernelVersion": machine.kernel,
        "kubeProxyVersion": "",
        "kubeletVersion": KUBERNETES_VERSION,
        "machineID": machine.machine_id,
        "operatingSystem": "linux",
        "osImage": machine.os_image,
        "systemUUID": machine.system_uuid,
    }


@dataclass(frozen=True, slots=True)
class NodeImage:
    """An image that is on the node."""

    names: tuple[str, ...]
    size_bytes: int


def image_list(images: Iterable[NodeImage]) -> list[Object]:
    """status.images, largest first."""
    ordered = sorted(images, key=lambda image: (-image.size_bytes, image.names))[:MAX_IMAGES]
    return [{"names": list(image.names), "sizeBytes": image.size_bytes} for image in ordered]
