"""Mounting, typed: what a container's root is put together from."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from minikube_py.linux import libc

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_UNBINDABLE: Final = 0x20000
MS_PRIVATE: Final = 0x40000
MS_SLAVE: Final = 0x80000
MS_SHARED: Final = 0x100000
MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8

_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 0x1
_MOUNT_ATTR_NOSUID: Final = 0x2
_MOUNT_ATTR_NODEV: Final = 0x4
_AT_FDCWD: Final = -100
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError that names source and target."""
    words = f"mount {kind or source} on {target}"
    encoded = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    libc.call("mount", *encoded, ctypes.c_ulong(flags), options.encode() or None, operation=words)


def bind(source: str, target: str, *, recursive: bool = True, read_only: bool = False) -> None:
    """Shows ``source`` at ``target``; read-only with everything mounted below it."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        make_read_only(target, recursive=recursive)


def clone(source: str) -> int:
    """A descriptor of a copy of the mount at ``source``, in the same peer group and not yet anywhere. Linux 5.2."""
    number = libc.syscall(libc.SYS_OPEN_TREE, _AT_FDCWD, ctypes.c_char_p(os.fsencode(source)),
                          _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE, operation=f"clone {source}")  # fmt: skip
    return int(number)


def attach(tree: int, target: str) -> None:
    """Puts a mount made by :func:`clone` at ``target``."""
    libc.syscall(libc.SYS_MOVE_MOUNT, tree, ctypes.c_char_p(b""), _AT_FDCWD, ctypes.c_char_p(os.fsencode(target)),
                 _MOVE_MOUNT_F_EMPTY_PATH, operation=f"attach to {target}")  # fmt: skip


def make_read_only(target: str, *, recursive: bool = True) -> None:
    """Makes the mount at ``target`` (and, by mount_setattr, those below it) read-only.

    Kernels before 5.12 only take the top one, and flags the host locked (nosuid, nodev) must be kept.
    """
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    flags = _AT_RECURSIVE if recursive else 0
    try:
        libc.syscall(libc.SYS_MOUNT_SETATTR, _AT_FDCWD, ctypes.c_char_p(os.fsencode(target)), flags, buffer,
                     len(attributes), operation=f"make {target} read-only")  # fmt: skip
    except OSError:
        locked = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | locked)


def set_propagation(target: str, kind: int, *, recursive: bool = True) -> None:
    """MS_PRIVATE, MS_SLAVE or MS_SHARED for the mount at ``target``."""
    mount("none", target, flags=kind | (MS_REC if recursive else 0))


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    libc.call("umount2", os.fsencode(target), flags, operation=f"unmount {target}")


def change_root(new_root: str) -> None:
    """Makes the mount ``new_root`` this mount namespace's root and forgets the old one.

    Where pivot_root(2) is denied (Docker's seccomp profile), the root is moved over and chroot(2) is used.
    """
    os.chdir(new_root)
    try:
        libc.syscall(libc.pivot_root_number(), ctypes.c_char_p(b"."), ctypes.c_char_p(b"."),
                     operation=f"pivot to {new_root}")  # fmt: skip
    except OSError:
        mount(".", "/", flags=MS_MOVE)
        os.chroot(".")
    else:
        unmount(".")  # the old root lies on top of the new one now
    os.chdir("/")
