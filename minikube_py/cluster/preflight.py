"""Whether this machine can run the embedded runtime, asked of the kernel itself, and what to do where it cannot.

The probe does what the cluster will do (a mount, a network namespace) inside the namespaces just entered; sysctls
and files are read only to word the message.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from minikube_py.linux.mounts import mount
from minikube_py.linux.namespaces import new_netns
from minikube_py.linux.netlink import Netlink

#: An idle cluster writes a tenth of it; the rest is for the first minutes of work.
_LEAST_ROOM = 4 << 20


def probe(scratch: Path) -> None:
    """Tries a mount and a network namespace. Call it inside the cluster's own mount namespace. Raises OSError."""
    mount("tmpfs", str(scratch), "tmpfs")
    descriptor = new_netns()
    try:
        with Netlink(descriptor) as network:
            network.link_up("lo")
    finally:
        os.close(descriptor)


def check_room(directory: Path) -> None:
    """Raises OSError where the disk is too full for certificates, logs and the API server's journal."""
    free = shutil.disk_usage(directory).free
    if free < _LEAST_ROOM:
        needed = f"a cluster needs {_LEAST_ROOM >> 20} MiB (another place: $MINIK_HOME)"
        raise OSError(errno.ENOSPC, f"{free >> 10} KiB are free, {needed}", str(directory))


def explain(error: OSError) -> str:
    """One line for the user: why namespaces cannot be had here and what to do about it."""
    for applies, advice in (
        (_apparmor, "AppArmor forbids user namespaces to ordinary programs: run with sudo, use `--runtime docker`, "
         "or allow them with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"),
        (_switched_off, "user namespaces are switched off: run with sudo, or raise `user.max_user_namespaces`"),
        (_debian_switch, "user namespaces are switched off: run with sudo, or "
         "`sudo sysctl kernel.unprivileged_userns_clone=1`"),
        (_in_container, "this is a container that may not make namespaces: start it with "
         "`--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"),
        (_in_chroot, "namespaces cannot be made inside a chroot: run outside of it"),
    ):  # fmt: skip
        if applies(error):
            return f"{error.strerror}: {advice}"
    return f"{error.strerror}: this machine lets {'root' if os.geteuid() == 0 else 'you'} make no namespaces"


def _apparmor(error: OSError) -> bool:
    restricted = _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
    return restricted and error.errno in (errno.EPERM, errno.EACCES)


def _switched_off(error: OSError) -> bool:
    return error.errno == errno.ENOSPC or _read("/proc/sys/user/max_user_namespaces") == "0"


def _debian_switch(_error: OSError) -> bool:
    return _read("/proc/sys/kernel/unprivileged_userns_clone") == "0" and os.geteuid() != 0


def _in_container(error: OSError) -> bool:
    filtered = "Seccomp:\t2" in _read("/proc/self/status")
    return filtered and error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES)


def _in_chroot(error: OSError) -> bool:
    if error.errno != errno.EPERM:
        return False
    try:
        return os.stat("/").st_ino != os.stat("/proc/1/root/.").st_ino
    except OSError:
        return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
