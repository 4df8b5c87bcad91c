"""What a machine lacks is said before anything is made."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest import MonkeyPatch

from minikube_py.cluster.preflight import check_room


def test_a_full_disk_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    room = SimpleNamespace(free=1 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: room)
    check_room(tmp_path)
    room.free = 96 << 10
    with pytest.raises(OSError, match=r"96 KiB are free, a cluster needs 4 MiB .*MINIK_HOME") as fault:
        check_room(tmp_path)
    assert (fault.value.errno, fault.value.filename) == (errno.ENOSPC, str(tmp_path))
