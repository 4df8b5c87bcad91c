"""One layer as a tar stream: decompressed, and checked against the digest that the image's config tells of it.

The digest is of the uncompressed stream (OCI image specification, "rootfs.diff_ids"), so it also covers what the
compression hides. It is known at the end only: whoever unpacks throws everything away when the end is bad.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, cast

_CHUNK: Final = 1 << 20
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_DAMAGE: Final = (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error)


class ArchiveFault(Exception):
    """The archive is not one, is damaged, or means harm. The sentence is for the user."""


@contextmanager
def open_layer(raw: IO[bytes], *, name: str, diff_id: str) -> Iterator[tarfile.TarFile]:
    """The layer in the seekable file ``raw``; ``diff_id`` "" is not checked. Raises ArchiveFault."""
    try:
        with _decompressed(raw) as plain:
            reader = _Hashing(plain)
            with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as layer:
                yield layer
            reader.finish()
    except _DAMAGE as error:
        raise ArchiveFault(f"layer {name} is damaged: {error}") from error
    if diff_id and reader.digest != diff_id:
        raise ArchiveFault(f"layer {name} is not what its image says: it has {reader.digest} in place of {diff_id}")


class _Hashing:
    """A file that remembers what was read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = _CHUNK) -> bytes:
        data: bytes = self._file.read(size)
        self._hash.update(data)
        return data

    def finish(self) -> None:
        """Reads the rest: padding after the archive's end."""
        while self.read():
            pass

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


@contextmanager
def _decompressed(raw: IO[bytes]) -> Iterator[Any]:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=raw)
    elif head == b"\xfd7zXZ\0":
        yield lzma.LZMAFile(raw)  # noqa: SIM115 - whoever opened the file closes it
    elif head.startswith(b"BZh"):
        yield bz2.BZ2File(raw)
    elif head.startswith(_ZSTD):
        with _through_zstd(raw) as plain:
            yield plain
    else:
        yield raw


@contextmanager
def _through_zstd(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """By the machine's zstd(1): the standard library has no zstd before Python 3.14."""
    program = shutil.which("zstd")
    if program is None:
        raise ArchiveFault("the layer is compressed with zstd: install zstd(1), or use an image with gzip")
    command = [program, "-dcq"]
    with (
        _with_descriptor(raw) as file,
        subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise EOFError(f"zstd ended with code {process.returncode}")


@contextmanager
def _with_descriptor(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The same from its beginning, as a file that a program can read: a member of an archive is none."""
    if _has_descriptor(raw):
        os.lseek(raw.fileno(), 0, os.SEEK_SET)
        yield raw
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(raw, spool, _CHUNK)
        spool.seek(0)
        yield spool


def _has_descriptor(raw: IO[bytes]) -> bool:
    try:
        raw.fileno()
    except (AttributeError, OSError):
        return False
    return True
