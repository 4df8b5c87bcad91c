"""What a process says about itself to the kernel: prctl(2), signals' defaults, descriptors, capabilities, limits."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from typing import Final

from minikube_py.linux import libc

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_CAPBSET_READ: Final = 23
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_CAPABILITY_VERSION_3: Final = 0x20080522

#: capability.h, in numerical order.
CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip

#: What container engines leave to a container that asks for nothing (OCI default set).
DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    }
)  # fmt: skip

_TOUCHED_SIGNALS: Final = (
    signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT,
)  # fmt: skip


def prctl(option: int, *arguments: int, operation: str) -> int:
    """prctl(2). Raises OSError naming ``operation``."""
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return libc.call("prctl", option, *words, operation=operation)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Sends this process ``number`` when the *thread* that forked it ends. Cleared by exec of a set-id program."""
    prctl(PR_SET_PDEATHSIG, number, operation="set the parent death signal")


def adopt_orphans() -> None:
    """Makes this process the reaper of its descendants whose parents are gone."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, operation="become a subreaper")


def stay_readable() -> None:
    """Keeps ``/proc/self`` open to our own user after a change of credentials (see ptrace(2), "dumpable")."""
    prctl(PR_SET_DUMPABLE, 1, operation="set the dumpable attribute")


def set_name(name: str) -> None:
    """The name ps(1) shows: at most 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    libc.call("prctl", PR_SET_NAME, buffer, 0, 0, 0, operation="set the process name")


def set_title(title: str) -> None:
    """The command line ps(1) shows, as far as the original one's memory reaches; for processes that do not exec."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start, arg_end (proc_pid_stat(5), 48 and 49)
    if 0 < start < end:
        text = title.encode()[: end - start - 1]
        ctypes.memmove(start, text + bytes(end - start - len(text)), end - start)


def no_new_privileges() -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1, operation="set no_new_privs")


def reset_signals() -> None:
    """What Python ignores (across exec too: SIGPIPE, SIGXFSZ) or handles is at its default again; none is blocked."""
    for number in _TOUCHED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_range(first: int, last: int = 0xFFFFFFFF) -> None:
    """Closes every descriptor from ``first`` to ``last``."""
    try:
        libc.syscall(libc.SYS_CLOSE_RANGE, first, last, 0, operation="close descriptors")
    except OSError:  # Linux before 5.9
        os.closerange(first, min(last, os.sysconf("SC_OPEN_MAX")))


def capability_mask(names: Iterable[str]) -> int:
    """The bit mask of capability ``names`` (with or without CAP_, any case). Raises ValueError for an unknown one."""
    mask = 0
    for name in names:
        short = name.upper().removeprefix("CAP_")
        if short == "ALL":
            return (1 << len(CAPABILITIES)) - 1
        if short not in CAPABILITIES:
            raise ValueError(f"unknown capability {name!r}")
        mask |= 1 << CAPABILITIES.index(short)
    return mask


def effective_capabilities() -> int:
    """The bit mask of capabilities this process has now."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    libc.call("capget", ctypes.create_string_buffer(header), data, operation="read capabilities")
    low, _, _, high, _, _ = struct.unpack("=6I", data.raw)
    return int(low | high << 32)


def drop_bounding(keep: int) -> None:
    """Takes every capability that is not in the mask ``keep`` out of the bounding set. Needs CAP_SETPCAP."""
    for number in range(len(CAPABILITIES)):
        if not keep >> number & 1:
            _drop_one(number)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, operation="clear ambient capabilities")


def set_capabilities(mask: int) -> None:
    """Sets the permitted and effective sets to ``mask`` and empties the inheritable one."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    libc.call("capset", ctypes.create_string_buffer(header), ctypes.create_string_buffer(data),
              operation="set capabilities")  # fmt: skip


def _drop_one(number: int) -> None:
    try:
        prctl(PR_CAPBSET_DROP, number, operation=f"drop capability {CAPABILITIES[number]}")
    except OSError as error:
        if error.errno != 22:  # EINVAL: this kernel does not know it
            raise
