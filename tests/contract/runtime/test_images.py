"""Containers from a loaded archive: a small root file system made of the host's shell and its libraries."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from archives import archive
from harness import Harness

from agent.images.store import LocalImages
from agent.runtime.protocol import ImageFault, RuntimeFault, SecurityContext

ROOTLESS = "MINIK_TEST_ROOTLESS" in os.environ
LOOP = ("trap 'exit 0' TERM; while :; do sleep 0.05; done",)


def _load(harness: Harness, user: str = "") -> str:
    images = harness.runtime.images
    assert isinstance(images, LocalImages)
    (info,) = images.load_file(io.BytesIO(archive(user, entrypoint=("sh", "-c"), command=LOOP)))
    return info.names[0]


@pytest.fixture
def harness(process_runtime: Harness) -> Harness:
    return process_runtime


async def test_entrypoint_environment_and_directory_come_from_the_image(harness: Harness) -> None:
    container = await harness.run((), image=_load(harness), env={"MORE": "pod"})
    _, out, _ = await harness.output(container, "sh", "-c", "echo $PWD $FROM $MORE; cat file; ls /")
    assert out.startswith("/own image pod\nfrom the image\n")
    assert {"dev", "proc", "sys", "own"} <= set(out.split())
    assert "opt" not in out.split()


async def test_args_replace_the_images_command_only(harness: Harness) -> None:
    exited = await harness.exited(await harness.run((), image=_load(harness), args=("exit 5",)))
    assert exited.exit_code == 5
    assert exited.image_id.startswith("sha256:")


async def test_what_a_container_writes_is_its_own(harness: Harness) -> None:
    name = _load(harness)
    first, second = await harness.run((), image=name), await harness.run((), image=name)
    code, _, error = await harness.output(first, "sh", "-c", "echo changed > /own/file; touch /new")
    assert (code, error) == (0, "")
    assert (await harness.output(second, "cat", "/own/file"))[1] == "from the image\n"
    await harness.runtime.remove_container(first)
    rootfs = Path(harness.runtime.images.find(name).rootfs)  # type: ignore[attr-defined]
    assert (rootfs / "own/file").read_text() == "from the image\n"


async def test_a_link_of_the_image_does_not_lead_the_pods_files_out(harness: Harness) -> None:
    container = await harness.run((), image=_load(harness))
    assert "localhost" in (await harness.output(container, "cat", "/tmp/minik-outside"))[1]
    assert not os.path.lexists("/tmp/minik-outside")  # noqa: ASYNC240


@pytest.mark.parametrize(("user", "ids"), [("web", "1234 1235"), ("1234:77", "1234 77"), ("4321", "4321 0")])
async def test_the_images_user(harness: Harness, user: str, ids: str) -> None:
    container = await harness.run((), image=_load(harness, user))
    assert (await harness.output(container, "sh", "-c", "echo $(id -u) $(id -g)"))[1].strip() == ids


@pytest.mark.skipif(ROOTLESS, reason="a single id has no groups")
async def test_the_images_groups(harness: Harness) -> None:
    container = await harness.run((), image=_load(harness, "web"))
    assert (await harness.output(container, "sh", "-c", "id -G; echo $HOME"))[1].split() == ["1235", "77", "/home/web"]


async def test_a_user_the_image_does_not_have(harness: Harness) -> None:
    with pytest.raises(RuntimeFault, match="unable to find user ghost: no matching entries in passwd file"):
        await harness.run((), image=_load(harness, "ghost"))


async def test_the_pods_user_wins(harness: Harness) -> None:
    container = await harness.run((), image=_load(harness, "ghost"), security=SecurityContext(run_as_user=7))
    assert (await harness.output(container, "id", "-u"))[1] == "7\n"


async def test_an_image_that_is_not_there(harness: Harness) -> None:
    with pytest.raises(ImageFault):
        await harness.run((), image="ghost:1")
