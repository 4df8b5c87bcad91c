"""Pulls from a real registry: names, digests, users, and all that goes wrong on the way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.images.dialing import HostDialer
from agent.images.layers import Limits
from agent.images.pull import RegistryPull, for_this_machine
from agent.images.store import LocalImages
from agent.runtime.protocol import ImageFault, ImageInfo
from minikube_py.aio.clock import SystemClock
from minikube_py.hostnet.sockets import DirectSockets
from tests.support.archives import save_archive
from tests.support.registry import Registry, pull_secret

CONFIG = {"Cmd": ["/app"], "Env": ["A=1"]}


def _layer(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    registry.start()
    registry.push("shop/web:1", [_layer(one="1", both="lower"), _layer(both="upper")], CONFIG)
    yield registry
    registry.stop()


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("restricted"), restricted=True)
    registry.start()
    registry.push("private/web:1", [_layer(secret="s")], CONFIG)
    yield registry
    registry.stop()


def _images(path: Path, **options: Any) -> LocalImages:
    dialer = HostDialer(sockets=DirectSockets(), resolv_conf=path / "resolv.conf", clock=SystemClock())
    return LocalImages(path / "images", pull=RegistryPull(dialer), **options)


def _read(images: LocalImages, info: ImageInfo, name: str) -> str:
    found = images.find(info.id)
    assert found is not None
    return (Path(found.rootfs) / name).read_text()


def _nothing_half_done(path: Path) -> bool:
    return not any((path / "images" / "incoming").iterdir())


async def test_by_tag_and_by_digest(registry: Registry, tmp_path: Path) -> None:
    images = _images(tmp_path)
    digest = registry.push("shop/tagged:2", [_layer(file="x")], CONFIG)
    info = await images.ensure(f"{registry.address}/shop/tagged:2", pull_policy="IfNotPresent")
    assert info.names == (f"{registry.address}/shop/tagged:2", f"{registry.address}/shop/tagged@{digest}")
    assert (info.command, info.env) == (("/app",), {"A": "1"})
    assert _read(images, info, "file") == "x"
    again = _images(tmp_path / "other")
    assert (await again.ensure(f"{registry.address}/shop/tagged@{digest}", pull_policy="Always")).id == info.id
    assert _nothing_half_done(tmp_path)


async def test_layers_lie_on_each_other_and_progress_is_told(registry: Registry, tmp_path: Path) -> None:
    images, told = _images(tmp_path), list[tuple[int, int]]()
    name = f"{registry.address}/shop/web:1"
    info = await images.ensure(name, pull_policy="IfNotPresent", on_progress=lambda *now: told.append(now))
    assert (_read(images, info, "one"), _read(images, info, "both")) == ("1", "upper")
    assert told[-1][0] == told[-1][1] > 0


async def test_always_asks_again_and_takes_what_is_new(registry: Registry, tmp_path: Path) -> None:
    images, name = _images(tmp_path), f"{registry.address}/shop/moving:latest"
    registry.push("shop/moving:latest", [_layer(v="1")], CONFIG)
    first = await images.ensure(name, pull_policy="Always")
    assert (await images.ensure(name, pull_policy="Always")).id == first.id
    registry.push("shop/moving:latest", [_layer(v="2")], CONFIG)
    assert (await images.ensure(name, pull_policy="IfNotPresent")).id == first.id
    second = await images.ensure(name, pull_policy="Always")
    assert _read(images, second, "v") == "2"
    assert images.find(first.id) is not None, "pods that run it keep it"


async def test_an_index_leads_to_this_machines_image(registry: Registry, tmp_path: Path) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    registry.push("shop/many:1", [_layer(a="here")], CONFIG, platform=f"linux/{machine}")
    info = await _images(tmp_path).ensure(f"{registry.address}/shop/many:1", pull_policy="IfNotPresent")
    assert info.size_bytes > 0
    registry.push("shop/foreign:1", [_layer(a="there")], CONFIG, platform="linux/s390x")
    with pytest.raises(ImageFault, match="no matching manifest for linux"):
        await _images(tmp_path).ensure(f"{registry.address}/shop/foreign:1", pull_policy="IfNotPresent")


def test_the_manifest_for_a_machine() -> None:
    entry = {"digest": "sha256:1", "platform": {"os": "linux", "architecture": "arm64"}}
    attestation = {"digest": "sha256:2", "platform": {"os": "unknown", "architecture": "unknown"}}
    assert for_this_machine({"manifests": [attestation, entry]}, "aarch64") == "sha256:1"


async def test_users(restricted: Registry, tmp_path: Path) -> None:
    images, name = _images(tmp_path), f"{restricted.address}/private/web:1"
    for secrets in ([], [pull_secret(restricted, "wrong")]):
        with pytest.raises(ImageFault, match="authorization failed") as refused:
            await images.ensure(name, pull_policy="IfNotPresent", pull_secrets=secrets)
        assert refused.value.reason == "ErrImagePull"
    secrets = [pull_secret(restricted, "wrong"), pull_secret(restricted)]
    assert (await images.ensure(name, pull_policy="IfNotPresent", pull_secrets=secrets)).size_bytes == 1
    for others, allowed in ((secrets, True), ([], False), (secrets[:1], False)):
        assert await images.accessible(name, others) is allowed
    assert await images.accessible(f"{name}-not-here", [])
    assert await images.accessible("Not A Name", [])


@pytest.mark.parametrize("name", ["shop/none:1", "shop/web:none", "shop/web@sha256:" + "0" * 64])
async def test_what_is_not_there(registry: Registry, tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageFault, match=r"failed to pull and unpack image .*not found.*minik image load"):
        await _images(tmp_path).ensure(f"{registry.address}/{name}", pull_policy="IfNotPresent")


async def test_no_registry_and_no_name_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ImageFault, match="refused"):
        await _images(tmp_path).ensure(f"127.0.0.1:{port}/web:1", pull_policy="IfNotPresent")
    with pytest.raises(ImageFault, match=r"lookup example\.invalid: no name server"):
        await _images(tmp_path).ensure("example.invalid/web:1", pull_policy="IfNotPresent")
    with pytest.raises(ImageFault, match="no registry to ask"):
        await _images(tmp_path).ensure("minik.local/none", pull_policy="IfNotPresent")


async def test_a_registry_that_lies(registry: Registry, tmp_path: Path) -> None:
    layer = _layer(a="true")
    registry.push("shop/lie:1", [layer], CONFIG)
    path = registry.blob_file(f"sha256:{hashlib.sha256(layer).hexdigest()}")
    path.write_bytes(layer.replace(b"true", b"fals"))
    with pytest.raises(ImageFault, match="arrived with other content"):
        await _images(tmp_path).ensure(f"{registry.address}/shop/lie:1", pull_policy="IfNotPresent")
    assert _nothing_half_done(tmp_path)


async def test_layers_are_checked_against_the_config(registry: Registry, tmp_path: Path) -> None:
    """The blob is what the manifest says, but not what the config says it unpacks to."""
    inner = _layer(a="1")
    registry.push("shop/twisted:1", [gzip.compress(inner)], CONFIG)
    with pytest.raises(ImageFault, match="is not what its image says"):
        await _images(tmp_path).ensure(f"{registry.address}/shop/twisted:1", pull_policy="IfNotPresent")
    assert _nothing_half_done(tmp_path)


async def test_an_image_that_is_too_large(registry: Registry, tmp_path: Path) -> None:
    registry.push("shop/large:1", [_layer(a="x" * 5000)], CONFIG)
    images = _images(tmp_path, limits=Limits(total_bytes=1000))
    with pytest.raises(ImageFault, match="more than 1000 bytes"):
        await images.ensure(f"{registry.address}/shop/large:1", pull_policy="IfNotPresent")
    assert _nothing_half_done(tmp_path)


async def test_a_pull_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await gone.wait()
        writer.close()
        await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
        ended.set()

    asked, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pulling = asyncio.ensure_future(_images(tmp_path).ensure(f"127.0.0.1:{port}/slow:1", pull_policy="IfNotPresent"))
    await asked.wait()
    assert not _nothing_half_done(tmp_path)
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    assert _nothing_half_done(tmp_path)
    gone.set()
    await ended.wait()
    server.close()
    await server.wait_closed()


async def test_many_pods_want_the_same(registry: Registry, tmp_path: Path) -> None:
    images, name = _images(tmp_path), f"{registry.address}/shop/web:1"
    pulls = list[int]()
    wanted = [
        images.ensure(name, pull_policy="IfNotPresent", on_progress=lambda now, _: pulls.append(now)) for _ in range(5)
    ]
    found = await asyncio.gather(*wanted)
    assert len({info.id for info in found}) == 1
    assert len(pulls) == len(set(pulls)), "one has pulled"


async def test_what_was_loaded_by_hand_is_not_asked_about(tmp_path: Path) -> None:
    save_archive(tmp_path / "a.tar", "example.invalid/tool:latest", _layer(a="1"), CONFIG)
    images = _images(tmp_path)
    with open(tmp_path / "a.tar", "rb") as file:  # noqa: ASYNC230
        loaded = await asyncio.to_thread(images.load_file, file)
    assert (await images.ensure("example.invalid/tool:latest", pull_policy="Always")).id == loaded[0].id
