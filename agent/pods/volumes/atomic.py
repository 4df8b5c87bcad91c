"""Files that change all at once: the ``..data`` link of configMap, secret, projected and downwardAPI volumes.

The layout is the one that applications know from Kubernetes: real files live in a directory named after the time, the
symbolic link ``..data`` points to it, and each visible name is a link into ``..data``. An update writes a new directory
and renames a new ``..data`` over the old one, so a reader sees the old files or the new ones, never a mixture.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_DATA = "..data"
_NEW_DATA = "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume: its bytes, its permission bits and its owner (-1: whoever writes it)."""

    data: bytes
    mode: int = 0o644
    uid: int = -1


#: Files by their path relative to the volume.
Payload = Mapping[str, File]


def write_payload(root: Path, payload: Payload, now: datetime, *, group: int = -1) -> bool:
    """Make ``root`` show exactly ``payload``. Returns whether anything had to change. Raises OSError.

    ``group`` (-1 keeps the writer's) and the files' owners are applied where the process may.
    """
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    current = _current(root)
    if current is not None and _same(current, payload):
        return False
    fresh = Path(tempfile.mkdtemp(prefix=now.strftime("..%Y_%m_%d_%H_%M_%S."), dir=root))
    try:
        fresh.chmod(0o755)
        for name, file in payload.items():
            _write(fresh / name, file, group)
        _switch(root, fresh.name)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link_names(root, {Path(name).parts[0] for name in payload})
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _current(root: Path) -> Path | None:
    try:
        return root / os.readlink(root / _DATA)
    except OSError:
        return None


def _same(directory: Path, payload: Payload) -> bool:
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    if found.keys() != set(payload):
        return False
    try:
        return all(
            path.read_bytes() == payload[name].data and path.stat().st_mode & 0o7777 == payload[name].mode
            for name, path in found.items()
        )
    except OSError:
        return False


def _write(path: Path, file: File, group: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(file.data)
        os.fchmod(out.fileno(), file.mode)
        if (file.uid, group) != (-1, -1):
            _give(out.fileno(), file.uid, group)


def _give(descriptor: int, uid: int, group: int) -> None:
    try:
        os.fchown(descriptor, uid, group)
    except OSError:
        pass  # rootless with a single id: everything belongs to that one user anyway


def _switch(root: Path, target: str) -> None:
    temporary = root / _NEW_DATA
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(root / _DATA)


def _link_names(root: Path, names: set[str]) -> None:
    for entry in list(os.scandir(root)):
        if entry.name not in names and not entry.name.startswith(".."):
            os.unlink(entry.path)
    for name in names:
        link = root / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
