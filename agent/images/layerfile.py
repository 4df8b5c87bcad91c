"""One layer as a tar stream: decompressed, and checked against the digest that the image's config tells of it.

The digest is of the uncompressed stream (OCI image specification, "rootfs.diff_ids"), so it also covers what the
compression hides. It is known at the end only: whoever unpacks throws everything away when the end is bad.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
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
        reader = _Hashing(_decompressed(raw))
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


def _decompressed(raw: IO[bytes]) -> Any:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if head == b"\xfd7zXZ\0":
        return lzma.LZMAFile(raw)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if head.startswith(_ZSTD):
        raise ArchiveFault("the layer is compressed with zstd, which is not built in: use one with gzip")
    return raw
