"""fork(2) into fresh namespaces.

``unshare(CLONE_NEWPID)`` would change where *every later* child of the caller is born and cannot be taken back without
privilege over the caller's own pid namespace, so a process that forks ordinary children as well must name the
namespaces with the fork itself: clone3(2).
"""

from __future__ import annotations

import ctypes
import signal
import struct

from minikube_py.linux import libc

#: Holds the interpreter's lock during the call: the child must find the interpreter as fork(2) would leave it.
_HELD = ctypes.PyDLL(None, use_errno=True)
_HELD.syscall.restype = ctypes.c_long
_PYTHON = ctypes.pythonapi


def fork_into(flags: int) -> int:
    """fork(2) with the child in the fresh namespaces ``flags`` (CLONE_NEW*): 0 in the child, its pid in the parent.

    With CLONE_NEWPID the child is pid 1 there. The caller must have a single thread: the C library's own fork handlers
    do not run. Raises OSError: EPERM without privilege, ENOSPC where the kernel's limit of namespaces is reached.
    """
    # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
    arguments = ctypes.create_string_buffer(struct.pack("8Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
    size = ctypes.c_long(len(arguments) - 1)
    _PYTHON.PyOS_BeforeFork()
    pid = int(_HELD.syscall(ctypes.c_long(libc.SYS_CLONE3), arguments, size))
    if pid == 0:
        _PYTHON.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    _PYTHON.PyOS_AfterFork_Parent()
    if pid < 0:
        raise libc.failure("clone3", error)
    return pid
