"""The system call filter of containers that ask for the runtime's default profile (seccomp(2)).

Container engines let through what programs need and refuse what reaches beyond a container; the list here is of the
latter (Docker's documentation, "Significant syscalls blocked by the default profile", and what came since).
A refused call fails with EPERM, clone3 with ENOSYS so that libc falls back to clone, whose flags can be looked at.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from typing import Final

from minikube_py.linux import libc, process

#: Numbers on x86_64 and on the architectures that share the generic table (aarch64); -1 where it does not exist.
_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "create_module": (174, -1), "delete_module": (176, 106),
    "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "get_kernel_syms": (177, -1), "get_mempolicy": (239, 236), "init_module": (175, 105),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "io_uring_setup": (425, 425),
    "ioperm": (173, -1), "iopl": (172, -1), "kcmp": (312, 272), "kexec_file_load": (320, 294),
    "kexec_load": (246, 104), "keyctl": (250, 219), "lookup_dcookie": (212, 18), "mbind": (237, 235),
    "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429), "move_pages": (279, 239),
    "nfsservctl": (180, 42), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "perf_event_open": (298, 241), "pivot_root": (155, 41), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "query_module": (178, -1), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "request_key": (249, 218), "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450), "setdomainname": (171, 162), "sethostname": (170, 161),
    "setns": (308, 268), "settimeofday": (164, 170), "swapoff": (168, 225), "swapon": (167, 224),
    "sysfs": (139, -1), "_sysctl": (156, -1), "umount2": (166, 39), "unshare": (272, 97), "uselib": (134, -1),
    "userfaultfd": (323, 282), "ustat": (136, -1), "vhangup": (153, 58), "clone": (56, 220), "clone3": (435, 435),
}  # fmt: skip
#: Calls that a capability makes harmless to allow, or whose use it is for.
_GRANTED: Final = {
    "SYS_ADMIN": (
        "bpf", "clone", "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount",
        "mount_setattr", "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname",
        "sethostname", "setns", "umount2", "unshare",
    ),
    "DAC_READ_SEARCH": ("open_by_handle_at",),
    "SYS_BOOT": ("reboot",),
    "SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "SYS_PACCT": ("acct",),
    "SYS_PTRACE": ("kcmp", "process_vm_readv", "process_vm_writev"),
    "SYS_RAWIO": ("ioperm", "iopl"),
    "SYS_TIME": ("clock_adjtime", "clock_settime", "settimeofday"),
    "SYS_TTY_CONFIG": ("vhangup",),
    "SYS_NICE": ("get_mempolicy", "mbind", "move_pages", "set_mempolicy", "set_mempolicy_home_node"),
    "PERFMON": ("perf_event_open",),
    "BPF": ("bpf",),
}  # fmt: skip
_COLUMNS: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_NEW_NAMESPACES: Final = 0x7E020000
_X32: Final = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


class NoFilter(OSError):
    """This architecture has no filter here."""


def default_filter(capabilities: int, machine: str | None = None) -> list[Instruction]:
    """The program for a container with these capabilities (a mask). Raises NoFilter."""
    machine = machine or platform.machine()
    if machine not in _COLUMNS:
        raise NoFilter(38, f"no seccomp profile for {machine}")
    column, architecture = _COLUMNS[machine]
    refused = _refused(capabilities)
    program = [(_LOAD, 0, 0, _ARCHITECTURE_AT), *_unless_equal(architecture, _EPERM), (_LOAD, 0, 0, _NUMBER_AT)]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERRNO | _EPERM)] if machine == "x86_64" else []
    for name in sorted(refused - {"clone", "clone3"}):
        if _NUMBERS[name][column] >= 0:
            program += _if_equal(_NUMBERS[name][column], _EPERM)
    if "clone" in refused:
        program += _if_equal(_NUMBERS["clone3"][column], _ENOSYS)
        program += [
            (_EQUAL, 0, 3, _NUMBERS["clone"][column]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
        ]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def install(program: list[Instruction]) -> None:
    """Holds this process and all it becomes to the program, for good. Raises OSError.

    Takes CAP_SYS_ADMIN in the user namespace, or no_new_privs.
    """
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(head, len(head))
    libc.call("prctl", _PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), pointer, 0, 0, operation="install seccomp filter")


def _refused(capabilities: int) -> set[str]:
    granted = {
        name
        for capability, names in _GRANTED.items()
        if capabilities & process.capability_mask([capability])
        for name in names
    }
    return set(_NUMBERS) - granted


def _if_equal(value: int, error: int) -> list[Instruction]:
    return [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | error)]


def _unless_equal(value: int, error: int) -> list[Instruction]:
    return [(_EQUAL, 1, 0, value), (_RETURN, 0, 0, _ERRNO | error)]
