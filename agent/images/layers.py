"""Unpacking the layers of an image into one root file system, distrusting every entry.

Nothing is written outside the root: parents are resolved inside it, a link in the last place is replaced and never
followed. Whiteouts follow the OCI image specification ("Layer Filesystem Changeset"). Devices are not made, extended
attributes not kept.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.images.archive import ArchiveFault
from minikube_py.linux.inroot import resolve, resolve_parent

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one image may unpack to."""

    total_bytes: int = 32 << 30
    entries: int = 2_000_000

    def budget(self) -> Budget:
        return Budget(self)


@dataclass(slots=True)
class Budget:
    """What an image has used of its limits."""

    limits: Limits
    used_bytes: int = 0
    used_entries: int = 0

    def spend(self, size: int) -> None:
        """Raises ArchiveFault where it is too much."""
        self.used_bytes += size
        self.used_entries += 1
        if self.used_bytes > self.limits.total_bytes:
            raise ArchiveFault(f"the image unpacks to more than {self.limits.total_bytes} bytes")
        if self.used_entries > self.limits.entries:
            raise ArchiveFault(f"the image has more than {self.limits.entries} entries")


def unpack_layer(layer: tarfile.TarFile, root: str, budget: Budget) -> None:
    """Applies ``layer`` to ``root``. Raises ArchiveFault, and OSError for a disk that is full."""
    added: set[str] = set()
    modes: list[tuple[str, tarfile.TarInfo]] = []
    for member in layer:
        budget.spend(max(member.size, 0))
        name = _name(member)
        if not name:
            continue
        try:
            _apply(layer, member, name, root, added, modes)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ArchiveFault(f"cannot unpack {member.name!r}: {error.strerror or error}") from error
    for path, member in reversed(modes):  # the deepest last: a directory may forbid writing into it
        with suppress(OSError):
            _own(path, member)


def _apply(
    layer: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    root: str,
    added: set[str],
    modes: list[tuple[str, tarfile.TarInfo]],
) -> None:
    head, _, base = name.rpartition("/")
    if base.startswith(_WHITEOUT):
        _white_out(resolve(root, head), base, added)
        return
    target = resolve_parent(root, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if member.isdir():
        _make_directory(target)
        modes.append((target, member))
    else:
        _clear(target)
        _make(layer, member, target, root)
    added.add(target)


def _make(layer: tarfile.TarFile, member: tarfile.TarInfo, target: str, root: str) -> None:
    if member.issym():
        os.symlink(member.linkname, target)
    elif member.islnk():
        source = resolve_parent(root, member.linkname)
        if not stat.S_ISREG(os.lstat(source).st_mode) and not os.path.islink(source):
            raise ArchiveFault(f"{member.name!r} is a hard link to something else than a file")
        os.link(source, target, follow_symlinks=False)
        return
    elif member.isfile():
        _write(layer, member, target)
    elif member.isfifo():
        os.mkfifo(target)
    else:
        return  # a device
    _own(target, member)


def _write(layer: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    source = layer.extractfile(member)
    if source is None:
        raise ArchiveFault(f"{member.name!r} has no content")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with source, open(os.open(target, flags, 0o600), "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def _own(path: str, member: tarfile.TarInfo) -> None:
    with suppress(OSError):  # ids that are not mapped here: everything is ours
        os.lchown(path, member.uid, member.gid)
    if not member.issym():
        os.chmod(path, member.mode & 0o7777)
        with suppress(OSError, OverflowError, ValueError):
            os.utime(path, (member.mtime, member.mtime))


def _make_directory(target: str) -> None:
    if os.path.islink(target) or (os.path.lexists(target) and not os.path.isdir(target)):
        os.unlink(target)
    os.makedirs(target, mode=0o755, exist_ok=True)


def _white_out(directory: str, base: str, added: set[str]) -> None:
    if base != _OPAQUE:
        hidden = base.removeprefix(_WHITEOUT)
        if hidden not in ("", ".", ".."):
            _clear(f"{directory}/{hidden}")
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.listdir(directory):
            path = f"{directory}/{entry}"
            if not any(item == path or item.startswith(f"{path}/") for item in added):
                _clear(path)


def _clear(path: str) -> None:
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _name(member: tarfile.TarInfo) -> str:
    """The entry's path below the root. Raises ArchiveFault for one that wants out."""
    if "\0" in member.name:
        raise ArchiveFault("an entry's name holds a zero byte")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveFault(f"{member.name!r} leads out of the image")
    return "/".join(parts)
