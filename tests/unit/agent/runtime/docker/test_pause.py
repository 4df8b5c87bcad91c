"""The pause image is made in code."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from agent.runtime.docker import pause


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_pause_image_is_the_same_every_time(architecture: str) -> None:
    assert pause.archive(architecture) == pause.archive(architecture)
    with tarfile.open(fileobj=io.BytesIO(pause.archive(architecture))) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == [pause.NAME]


def test_the_pause_program_is_small() -> None:
    assert len(pause.elf("amd64")) == 272
    assert len(pause.elf("arm64")) == 296
    with pytest.raises(KeyError):
        pause.elf("pdp11")
