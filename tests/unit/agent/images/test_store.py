"""Archives in, root file systems out: docker save, OCI, whiteouts, and archives that mean harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from agent.images.layers import Limits
from agent.images.model import canonical_name
from agent.images.store import LocalImages
from agent.runtime.protocol import ImageFault

Entry = tuple[str, Any]


def _tar(entries: Iterable[Entry]) -> bytes:
    """Content bytes make files, None a directory, ("sym"|"link", target) links, "fifo", "device" the rest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                info.type = tarfile.SYMTYPE if content[0] == "sym" else tarfile.LNKTYPE
                info.linkname = content[1]
            elif isinstance(content, str):
                info.type = tarfile.FIFOTYPE if content == "fifo" else tarfile.CHRTYPE
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "config": {
        "Entrypoint": ["/app"],
        "Cmd": ["serve"],
        "Env": ["PATH=/bin", "A=b=c"],
        "WorkingDir": "/srv",
        "User": "web:web",
        "StopSignal": "SIGINT",
        "Volumes": {"/data": {}},
    },
}


def _docker(layers: list[bytes], *, names: tuple[str, ...] = ("shop/web:1",), config: Any = CONFIG) -> bytes:
    manifest = [{"Config": "c.json", "RepoTags": list(names), "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}]
    entries: list[Entry] = [("c.json", json.dumps(config).encode())]
    entries += [(f"{number}/layer.tar", layer) for number, layer in enumerate(layers)]
    return _tar([*entries, ("manifest.json", json.dumps(manifest).encode())])


def _oci(layers: list[bytes]) -> bytes:
    entries: list[Entry] = []

    def blob(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        entries.append((f"blobs/sha256/{digest}", data))
        return f"sha256:{digest}"

    manifest = {
        "config": {"digest": blob(json.dumps(CONFIG).encode())},
        "layers": [{"digest": blob(gzip.compress(layer))} for layer in layers],
    }
    inner = {"manifests": [{"digest": blob(json.dumps(manifest).encode()), "platform": {"os": "linux"}},
                           {"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown"}}]}  # fmt: skip
    outer = {
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": blob(json.dumps(inner).encode()),
                "annotations": {"io.containerd.image.name": "docker.io/shop/web:2"},
            }
        ]
    }
    return _tar([*entries, ("index.json", json.dumps(outer).encode()), ("oci-layout", b"{}")])


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


def _load(tmp_path: Path, layers: list[bytes]) -> Path:
    images = LocalImages(tmp_path / "images")
    images.load_file(io.BytesIO(_docker(layers)))
    found = images.find("shop/web:1")
    assert found is not None
    return Path(found.rootfs)


async def test_a_docker_archive_is_found_by_name_and_id(tmp_path: Path) -> None:
    images = LocalImages(tmp_path)
    (info,) = await images.load(_chunks(_docker([_tar([("app", b"x")])])))
    assert info.names == ("docker.io/shop/web:1",)
    assert (info.entrypoint, info.command, info.user) == (("/app",), ("serve",), "web:web")
    assert (info.env, info.working_dir) == ({"PATH": "/bin", "A": "b=c"}, "/srv")
    assert (info.stop_signal, info.volumes) == ("SIGINT", ("/data",))
    for name in ("shop/web:1", "docker.io/shop/web:1", info.id, f"shop/web@{info.id}"):
        assert (await images.ensure(name, pull_policy="Never")).id == info.id
    assert info in await images.list_images()


async def test_an_oci_archive_with_gzipped_layers(tmp_path: Path) -> None:
    images = LocalImages(tmp_path)
    (info,) = await images.load(_chunks(_oci([_tar([("bin", None), ("bin/app", b"app")])])))
    found = images.find("shop/web:2")
    assert found is not None
    assert found.info == info
    assert (Path(found.rootfs) / "bin/app").read_bytes() == b"app"


def test_layers_lie_on_each_other_and_whiteouts_take_away(tmp_path: Path) -> None:
    root = _load(tmp_path, [
        _tar([("etc", None), ("etc/a", b"1"), ("etc/b", b"1"), ("opt/old", b"1"), ("opt/deep/old", b"1"),
              ("gone/x", b"1"), ("swap", b"file")]),
        _tar([("etc/a", b"2"), ("etc/.wh.b", b""), ("opt/new", b"2"), ("opt/.wh..wh..opq", b""), (".wh.gone", b""),
              ("swap", None), ("swap/inner", b"2")]),
    ])  # fmt: skip
    assert (root / "etc/a").read_bytes() == b"2"
    assert sorted(os.listdir(root / "etc")) == ["a"]
    assert sorted(os.listdir(root / "opt")) == ["new"]
    assert not (root / "gone").exists()
    assert (root / "swap/inner").read_bytes() == b"2"


def test_links_stay_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = _load(tmp_path, [
        _tar([("up", ("sym", "../../../../../../../../../../.." + str(outside))), ("abs", ("sym", str(outside)))]),
        _tar([("up/evil", b"x"), ("abs/evil", b"x"), ("loop", ("sym", "loop"))]),
        _tar([("abs", b"now a file")]),
    ])  # fmt: skip
    assert list(outside.iterdir()) == []
    assert (root / "abs").read_bytes() == b"now a file"
    assert os.readlink(root / "loop") == "loop"


def test_whiteouts_do_not_follow_links_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    _load(tmp_path, [
        _tar([("d", ("sym", str(outside)))]),
        _tar([("d/.wh.keep", b""), ("d/.wh..wh..opq", b""), (".wh...", b""), (".wh..", b"")]),
    ])  # fmt: skip
    assert (outside / "keep").exists()


def test_hard_links_fifos_and_devices(tmp_path: Path) -> None:
    root = _load(tmp_path, [_tar([("a", b"1"), ("b", ("link", "a")), ("p", "fifo"), ("null", "device")])])
    assert (root / "a").stat().st_ino == (root / "b").stat().st_ino
    assert (root / "p").is_fifo()
    assert not (root / "null").exists()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (_tar([("../evil", b"x")]), "leads out of the image"),
        (_tar([("a/../../evil", b"x")]), "leads out of the image"),
        (_tar([("b", ("link", "/etc/shadow-of-the-host"))]), "cannot unpack"),
        (_tar([("d", None), ("b", ("link", "d"))]), "hard link"),
        (_tar([("l", ("sym", "l")), ("l/x", b"")]), "too many links|cannot unpack"),
        (b"nonsense", "damaged"),
        (_tar([("big", b"x" * 20000)]), "more than 10000 bytes"),
        (_tar([(f"f{n}", b"") for n in range(50)]), "more than 20 entries"),
    ],
)
def test_hostile_layers_are_refused_and_leave_nothing(tmp_path: Path, layer: bytes, words: str) -> None:
    images = LocalImages(tmp_path, limits=Limits(total_bytes=10_000, entries=20))
    with pytest.raises(ImageFault, match=words):
        images.load_file(io.BytesIO(_docker([layer])))
    assert images.find("shop/web:1") is None
    assert list((tmp_path / "incoming").iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"", "no image archive"),
        (b"\x1f\x8b nonsense", "no image archive"),
        (_tar([("x", b"")]), "neither manifest.json nor index.json"),
        (_tar([("manifest.json", b"{}")]), "neither|malformed|"),
        (_tar([("manifest.json", b"[1]")]), "malformed"),
        (_tar([("manifest.json", b"not json")]), "no JSON"),
        (_tar([("manifest.json", b'[{"Config": "c", "Layers": ["l"]}]')]), "lacks l"),
        (_tar([("index.json", b'{"manifests": [{"digest": "../../etc"}]}')]), "no digest"),
        (_docker([], config=[]), "no JSON object"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, archive: bytes, words: str) -> None:
    images = LocalImages(tmp_path)
    if archive == _tar([("manifest.json", b"{}")]):
        assert images.load_file(io.BytesIO(archive)) == []
        return
    with pytest.raises(ImageFault, match=words):
        images.load_file(io.BytesIO(archive))


def test_every_truncation_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = _docker([_tar([("app", b"x" * 3000)])])
    images = LocalImages(tmp_path)
    for length in range(0, len(whole), 1777):
        try:
            images.load_file(io.BytesIO(whole[:length]))
        except ImageFault as fault:
            assert fault.reason == "InvalidArchive"


async def test_an_archive_larger_than_allowed(tmp_path: Path) -> None:
    images = LocalImages(tmp_path, limits=Limits(total_bytes=100))
    with pytest.raises(ImageFault, match="larger"):
        await images.load(_chunks(b"x" * 5000))
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_loading_again_is_harmless_and_removing_takes_names_along(tmp_path: Path) -> None:
    images = LocalImages(tmp_path)
    archive = _docker([_tar([("app", b"x")])], names=("a:1", "b:2"))
    (info,) = await images.load(_chunks(archive))
    await images.load(_chunks(archive))
    assert info.names == ("docker.io/library/a:1", "docker.io/library/b:2")
    await images.remove(info.id)
    await images.remove(info.id)
    assert images.find("a:1") is None
    assert [image.id for image in await images.list_images()] == ["minik:echo", "minik:host"]
    with pytest.raises(ImageFault, match="minik image load"):
        await images.ensure("a:1", pull_policy="Always")


def test_what_a_killed_load_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "incoming" / "old"
    (left / "rootfs").mkdir(parents=True)
    os.utime(left, (0, 0))
    LocalImages(tmp_path).load_file(io.BytesIO(_docker([_tar([("a", b"")])])))
    assert not left.exists()


def test_a_torn_name_or_image_is_ignored(tmp_path: Path) -> None:
    images = LocalImages(tmp_path)
    images.load_file(io.BytesIO(_docker([_tar([("a", b"")])])))
    (tmp_path / "names" / "torn").write_text('{"name": ')
    (tmp_path / "images" / "half").mkdir()
    assert images.find("shop/web:1") is not None


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("shop/web", "docker.io/shop/web:latest"),
        ("localhost/web", "localhost/web:latest"),
        ("reg.io:5000/a/b:x", "reg.io:5000/a/b:x"),
        ("minik.local/echo", "minik.local/echo:latest"),
    ],
)
def test_names_are_expanded_as_engines_do(given: str, canonical: str) -> None:
    assert canonical_name(given) == canonical


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "a:b:c", "../x", "-x", "a/", "x" * 10 + "@sha256:zz"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ImageFault) as raised:
        canonical_name(name)
    assert raised.value.reason == "InvalidImageName"


async def test_the_files_of_an_image_can_be_a_volume(tmp_path: Path) -> None:
    images = LocalImages(tmp_path)
    images.load_file(io.BytesIO(_docker([_tar([("data.json", b"{}")])])))
    found = await images.directory("shop/web:1", pull_policy="Always")
    assert (found / "data.json").read_bytes() == b"{}"
    for name in ("minik.local/host", "shop/gone:1"):
        with pytest.raises(ImageFault):
            await images.directory(name, pull_policy="IfNotPresent")
