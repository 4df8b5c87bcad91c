"""Layers in every compression, from files and from members of archives; what is cut off or missing is said."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.images import layerfile
from agent.images.layerfile import ArchiveFault, open_layer


def _zstd(data: bytes) -> bytes:
    if shutil.which("zstd") is None:
        pytest.skip("no zstd(1)")
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


def _layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = 300_000
        tar.addfile(info, io.BytesIO(bytes(range(250)) * 1200))
    return buffer.getvalue()


PLAIN = _layer()
DIGEST = f"sha256:{hashlib.sha256(PLAIN).hexdigest()}"


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, bz2.compress, _zstd])
def test_every_compression(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = compress(PLAIN)
    (tmp_path / "layer").write_bytes(data)
    with open(tmp_path / "layer", "rb") as file:
        for raw in (file, io.BytesIO(data)):
            with open_layer(raw, name="l", diff_id=DIGEST) as layer:
                assert [member.size for member in layer] == [300_000]
    with pytest.raises(ArchiveFault, match="is not what"), open_layer(io.BytesIO(data), name="l", diff_id="x") as layer:
        list(layer)


def test_zstd_that_ends_early(tmp_path: Path) -> None:
    data = _zstd(PLAIN)
    with pytest.raises(ArchiveFault, match="damaged"), open_layer(io.BytesIO(data[:-9]), name="l", diff_id="") as layer:
        list(layer)


def test_a_machine_without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerfile.shutil, "which", lambda _: None)
    raw = io.BytesIO(b"\x28\xb5\x2f\xfd and more")
    with pytest.raises(ArchiveFault, match=r"install zstd\(1\)"), open_layer(raw, name="l", diff_id=""):
        pass
