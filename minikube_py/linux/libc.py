"""The C library, called with errno checked: what Python 3.11's ``os`` has no door to.

Only ``ctypes`` is imported here: this module is part of the machine's small fork server image.
"""

from __future__ import annotations

import ctypes
import os
import platform

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

#: System call numbers that are the same on every architecture (all younger than Linux 5.0).
SYS_PIDFD_SEND_SIGNAL = 424
SYS_CLONE3 = 435
SYS_CLOSE_RANGE = 436
SYS_PIDFD_OPEN = 434
SYS_PIDFD_GETFD = 438
SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_MOUNT_SETATTR = 442

#: pivot_root is older than the common numbering.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217, "armv7l": 218, "i686": 217}


def failure(operation: str, error: int) -> OSError:
    """The OSError for ``operation`` in words; ``OSError`` picks the subclass (PermissionError, …) by errno."""
    return OSError(error, f"{operation}: {os.strerror(error)}")


def call(name: str, *arguments: object, operation: str) -> int:
    """Calls a libc function that answers -1 and sets errno. Raises OSError naming ``operation``."""
    result = getattr(_LIBC, name)(*arguments)
    if result == -1:
        raise failure(operation, ctypes.get_errno())
    return int(result)


def syscall(number: int, *arguments: object, operation: str) -> int:
    """Makes a raw system call; plain integers are passed as longs. Raises OSError naming ``operation``."""
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = _LIBC.syscall(ctypes.c_long(number), *words)
    if result == -1:
        raise failure(operation, ctypes.get_errno())
    return int(result)


def pivot_root_number() -> int:
    """The system call number of pivot_root(2). Raises OSError (ENOSYS) on an architecture nobody has tried."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise failure("pivot_root", 38)
    return number
