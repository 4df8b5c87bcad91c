"""A container's root file system, put together inside its fresh mount namespace.

Two kinds: the host's own tools (a tmpfs with the host's program directories bound read-only and a synthetic /etc), and
an overlay over a root file system loaded from an archive. On either come /proc, /sys, /dev, the pod's files and its
volumes. Runs in the forked child before exec; standard library only. Errors are OSErrors that name what failed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from agent.runtime.process.model import ContainerConfig, MountConfig
from minikube_py.linux import mounts
from minikube_py.linux.inroot import resolve
from minikube_py.linux.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, bind, mount

_PROGRAMS: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix", "snap")
DIRECTORIES: Final = ("etc", "home", "media", "mnt", "proc", "root", "run", "srv", "sys", "tmp", "dev",
                       "var/cache", "var/lib", "var/log", "var/tmp")  # fmt: skip
_ETC_BINDS: Final = ("alternatives", "ca-certificates", "crypto-policies", "pki", "ssl", "java-17-openjdk", "terminfo")
_ETC_COPIES: Final = ("passwd", "group", "ld.so.cache", "services", "protocols", "localtime", "os-release",
                      "bash.bashrc", "profile", "inputrc", "mime.types", "debian_version")  # fmt: skip
_NSSWITCH: Final = b"passwd: files\ngroup: files\nhosts: files dns\n"
_LARGEST_COPY: Final = 1 << 20
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                 "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
_MASKED: Final = ("acpi", "kcore", "keys", "latency_stats", "timer_list", "scsi")
_FROZEN: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")


@dataclass(slots=True)
class HostFacts:
    """What a machine learns about its host once, before it forks anything.

    ``real_root`` is whether uid 0 here is the host's own; ``many_ids`` whether other ids can be taken on;
    ``soft_files`` the soft limit of descriptors that containers get. ``controllers`` are those of control groups
    version 1 that containers stand in, or ``unified`` alone; none where there are no groups.
    """

    real_root: bool
    many_ids: bool
    soft_files: int
    links: dict[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    etc_binds: list[str] = field(default_factory=list)
    etc_files: dict[str, bytes] = field(default_factory=dict)
    controllers: tuple[str, ...] = ()


def learn_host(soft_files: int) -> HostFacts:
    """Reads the host once; what is missing there is left out."""
    with open("/proc/self/uid_map") as file:
        rows = [line.split() for line in file]
    real_root = rows == [["0", "0", "4294967295"]]
    facts = HostFacts(real_root, sum(int(row[2]) for row in rows) > 1, soft_files)
    for name in _PROGRAMS:
        if os.path.islink(f"/{name}"):
            facts.links[name] = os.readlink(f"/{name}")
        elif os.path.isdir(f"/{name}"):
            facts.directories.append(name)
    facts.etc_binds = [name for name in _ETC_BINDS if os.path.isdir(f"/etc/{name}")]
    for name in _ETC_COPIES:
        with suppress(OSError), open(f"/etc/{name}", "rb") as file:
            facts.etc_files[name] = file.read(_LARGEST_COPY)
    facts.etc_files["nsswitch.conf"] = _NSSWITCH
    return facts


def build(config: ContainerConfig, directory: str, pod_directory: str, facts: HostFacts) -> str:
    """Puts the root together below ``directory`` (the container's own) and gives back its path.

    ``pod_directory`` is the sandbox's: resolv.conf, hosts, hostname and shm.
    """
    root = f"{directory}/rootfs"
    # Before the sources become followers: what is mounted from there on is the container's own.
    shared = {each.target: mounts.clone(each.source) for each in config.mounts if each.propagation == "shared"}
    mounts.set_propagation("/", mounts.MS_SLAVE)
    if config.rootfs:
        _overlay(config.rootfs, root, directory, facts)
    else:
        _host_root(root, facts)
    _kernel(root, config, facts)
    _devices(root, config, facts)
    mounts.set_propagation(root, mounts.MS_PRIVATE)
    for item in _files(config, directory, pod_directory):
        _bind_in(root, item, shared.get(item.target))
    if config.read_only_root:
        mounts.make_read_only(root, recursive=False)
    return root


def _host_root(root: str, facts: HostFacts) -> None:
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1g")
    for name in DIRECTORIES:
        os.makedirs(f"{root}/{name}")
    for name in ("tmp", "var/tmp"):
        os.chmod(f"{root}/{name}", 0o1777)
    os.symlink("/run", f"{root}/var/run")
    for name, target in facts.links.items():
        os.symlink(target, f"{root}/{name}")
    for name in facts.directories:
        os.mkdir(f"{root}/{name}")
        bind(f"/{name}", f"{root}/{name}", read_only=True)
    for name in facts.etc_binds:
        os.mkdir(f"{root}/etc/{name}")
        bind(f"/etc/{name}", f"{root}/etc/{name}", read_only=True)
    for name, content in facts.etc_files.items():
        with open(f"{root}/etc/{name}", "wb") as file:
            file.write(content)


def _overlay(lower: str, root: str, directory: str, facts: HostFacts) -> None:
    """An overlay with its upper layer on disk, else in memory (a disk that is itself an overlay), else read-only."""
    try:
        _mount_overlay(lower, root, directory, facts)
        return
    except OSError:
        pass
    scratch = f"{directory}/scratch"
    os.makedirs(scratch, exist_ok=True)
    try:
        mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1g")
        _mount_overlay(lower, root, scratch, facts)
    except OSError:
        bind(lower, root, read_only=True)


def _mount_overlay(lower: str, root: str, directory: str, facts: HostFacts) -> None:
    for name in ("upper", "work"):
        os.makedirs(f"{directory}/{name}", exist_ok=True)
    os.chmod(f"{directory}/upper", stat.S_IMODE(os.stat(lower).st_mode))
    layers = {"lowerdir": lower, "upperdir": f"{directory}/upper", "workdir": f"{directory}/work"}
    options = ",".join(f"{key}={_escape(value)}" for key, value in layers.items())
    mount("overlay", root, "overlay", MS_NODEV, options + ("" if facts.real_root else ",userxattr"))


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _kernel(root: str, config: ContainerConfig, facts: HostFacts) -> None:
    proc, sys = _directory(root, "/proc"), _directory(root, "/sys")
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    try:
        mount("sysfs", sys, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    except OSError:
        bind("/sys", sys, read_only=True)  # a host that hides parts of its own /sys
    with suppress(OSError):  # a convenience: runtimes size their heaps by it
        _control_groups(f"{sys}/fs/cgroup", facts.controllers)
    if not facts.real_root or config.user.privileged:
        return  # the host's own permissions protect it from a user namespace
    for name in _MASKED:
        _mask(f"{proc}/{name}")
    _mask(f"{sys}/firmware")
    for name in _FROZEN:
        if os.path.exists(f"{proc}/{name}"):
            bind(f"{proc}/{name}", f"{proc}/{name}", read_only=True)


def _control_groups(path: str, controllers: tuple[str, ...]) -> None:
    """The container's own groups, as its cgroup namespace shows them."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY
    if controllers == ("unified",):
        mount("cgroup2", path, "cgroup2", flags)
        return
    if not controllers:
        return
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    for name in controllers:
        for single in name.split(",") if "," in name else ():
            os.symlink(name, f"{path}/{single}")
        os.mkdir(f"{path}/{name}")
        mount("cgroup", f"{path}/{name}", "cgroup", flags, name)


def _mask(path: str) -> None:
    if os.path.isdir(path):
        mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0")
    elif os.path.exists(path):
        bind("/dev/null", path, recursive=False)


def _devices(root: str, config: ContainerConfig, facts: HostFacts) -> None:
    dev = _directory(root, "/dev")
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
    for name in _DEVICES:
        _touch(f"{dev}/{name}")
        bind(f"/dev/{name}", f"{dev}/{name}", recursive=False)
    for name, target in _LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    for name in ("pts", "mqueue", "shm"):
        os.mkdir(f"{dev}/{name}")
    group = ",gid=5" if facts.many_ids else ""
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, f"newinstance,ptmxmode=0666,mode=0620{group}")
    with suppress(OSError):  # not in every kernel
        mount("mqueue", f"{dev}/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if facts.real_root and config.user.privileged:
        _host_devices(dev)


def _host_devices(dev: str) -> None:
    for entry in os.scandir("/dev"):
        if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode) or entry.name in ("fuse", "kvm", "net"):
            target = f"{dev}/{entry.name}"
            os.mkdir(target) if entry.is_dir() else _touch(target)
            with suppress(OSError):
                bind(entry.path, target)


def _files(config: ContainerConfig, directory: str, pod_directory: str) -> list[MountConfig]:
    """The pod's files, then volumes from shallow to deep; a volume in the place of a pod file wins."""
    items = [MountConfig(f"{pod_directory}/shm", "/dev/shm")]
    items += [
        MountConfig(f"{pod_directory}/{name}", f"/etc/{name}") for name in ("resolv.conf", "hosts", "hostname")
    ]  # fmt: skip
    if config.termination_path:
        items.append(MountConfig(f"{directory}/termination-log", config.termination_path))
    taken = {mount.target.rstrip("/") for mount in config.mounts}
    items = [item for item in items if item.target not in taken]
    return items + sorted(config.mounts, key=lambda item: item.target.count("/"))


def _bind_in(root: str, item: MountConfig, tree: int | None) -> None:
    """``tree`` is a copy of the source's mount that goes on sharing with it."""
    target = resolve(root, item.target)
    if os.path.isdir(item.source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _touch(target)
    if tree is not None:
        mounts.attach(tree, target)
        if item.read_only:
            mounts.make_read_only(target)
        return
    bind(item.source, target, read_only=item.read_only)
    if item.propagation == "private":
        mounts.set_propagation(target, mounts.MS_PRIVATE)


def _directory(root: str, path: str) -> str:
    target = resolve(root, path)
    os.makedirs(target, exist_ok=True)
    return target


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
