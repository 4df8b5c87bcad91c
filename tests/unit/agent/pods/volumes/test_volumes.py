"""Volume contents (pure), the atomic writer, mounts that must stay inside their volume, hostPath types."""

from __future__ import annotations

import base64
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from agent.pods.volumes.atomic import File, write_payload
from agent.pods.volumes.claims import path_of
from agent.pods.volumes.errors import MountError, VolumeError
from agent.pods.volumes.hostpath import prepare_host_path
from agent.pods.volumes.mounts import container_mounts, inside
from agent.pods.volumes.payload import Inputs, TokenRequest, references_of, signers_of, tokens_of, volume_files
from agent.pods.volumes.sharing import share_tree
from minikube_py.api.pem import encode
from minikube_py.api.resources import CLUSTERTRUSTBUNDLES, CONFIGMAPS, SECRETS
from tests.support.podstates import START, make_pod

CONFIG = {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\xff").decode()}}
SECRET = {"data": {"password": base64.b64encode(b"hunter2").decode()}}
INPUTS = Inputs(
    {(CONFIGMAPS, "cm"): CONFIG, (SECRETS, "s"): SECRET, (CONFIGMAPS, "gone"): None, (SECRETS, "gone"): None},
    {TokenRequest("", 3600): "t0ken", TokenRequest("vault", 600): "v4ult"},
    {"cpu": "2"},
)


def files(volume: dict[str, Any], **metadata: Any) -> dict[str, tuple[bytes, int]]:
    found = volume_files(make_pod(metadata=metadata), volume, INPUTS)
    return {path: (file.data, file.mode) for path, file in found.items()}


TOKEN = {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


@pytest.mark.parametrize(
    ("pod_context", "own_context", "mode", "uid"),
    [
        ({}, {}, 0o644, -1),
        ({"runAsUser": 1000}, {}, 0o600, 1000),
        ({}, {"runAsUser": 7}, 0o600, 7),
        ({"runAsUser": 1000}, {"runAsUser": 7}, 0o600, 7),
        ({"fsGroup": 10000}, {}, 0o600, -1),
        ({"runAsUser": 1000, "fsGroup": 10000}, {}, 0o600, 1000),
    ],
)
def test_a_token_is_for_those_who_run(
    pod_context: dict[str, Any], own_context: dict[str, Any], mode: int, uid: int
) -> None:
    containers = [{"name": "app", "image": "x", "securityContext": own_context}]
    pod = make_pod(securityContext=pod_context, containers=containers)
    file = volume_files(pod, TOKEN, INPUTS)["token"]
    assert (file.mode, file.uid) == (mode, uid)


def _anchors(*words: str) -> str:
    return "".join(encode("CERTIFICATE", word.encode()) for word in words)


def _bundle(name: str, color: str, *words: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"color": color}}, "spec": {"trustBundle": _anchors(*words)}}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"name": "plain"}, ["one"]),
        ({"signerName": "x/y", "labelSelector": {}}, ["one", "two", "three"]),
        ({"signerName": "x/y", "labelSelector": {"matchLabels": {"color": "red"}}}, ["one", "two"]),
        ({"signerName": "x/y", "optional": True}, []),
        ({"signerName": "nobody/y", "labelSelector": {}, "optional": True}, []),
        ({"name": "gone", "optional": True}, []),
        ({"name": "gone"}, 'clustertrustbundles.certificates.k8s.io "gone" not found'),
        ({"signerName": "x/y"}, "combination of signerName and labelSelector matched zero ClusterTrustBundles"),
    ],
)
def test_trust_anchors_of_bundles_are_joined(source: dict[str, Any], expected: list[str] | str) -> None:
    volume = {"projected": {"sources": [{"clusterTrustBundle": source | {"path": "ca.pem"}}]}}
    signed = [_bundle("a", "red", "one", "two"), _bundle("b", "blue", "two", "three")]
    plain = {(CLUSTERTRUSTBUNDLES, "plain"): _bundle("plain", "", "one"), (CLUSTERTRUSTBUNDLES, "gone"): None}
    assert [each.name for each in references_of(volume)] == [source[key] for key in source if key == "name"]
    assert list(signers_of(volume)) == [source[key] for key in source if key == "signerName"]
    inputs = Inputs(plain, {}, {}, {"x/y": signed})
    if isinstance(expected, str):
        with pytest.raises(VolumeError) as caught:
            volume_files(make_pod(), volume, inputs)
        assert str(caught.value) == expected
    else:
        assert volume_files(make_pod(), volume, inputs)["ca.pem"].data.decode() == _anchors(*expected)


def test_a_token_of_several_users_is_readable_by_all() -> None:
    containers = [{"name": f"c{user}", "image": "x", "securityContext": {"runAsUser": user}} for user in (1, 2)]
    assert volume_files(make_pod(containers=containers), TOKEN, INPUTS)["token"].mode == 0o644


CASES: list[tuple[str, dict[str, Any], dict[str, tuple[bytes, int]]]] = [
    ("all keys", {"configMap": {"name": "cm"}}, {"a": (b"1", 0o644), "b": (b"2", 0o644), "c": (b"\xff", 0o644)}),
    (
        "chosen keys with modes",
        {"configMap": {"name": "cm", "defaultMode": 0o400, "items": [{"key": "a", "path": "x/y", "mode": 0o600}]}},
        {"x/y": (b"1", 0o600)},
    ),
    ("secret", {"secret": {"secretName": "s", "defaultMode": 0o400}}, {"password": (b"hunter2", 0o400)}),
    ("optional and absent", {"secret": {"secretName": "gone", "optional": True}}, {}),
    ("an optional key", {"configMap": {"name": "cm", "optional": True, "items": [{"key": "z", "path": "z"}]}}, {}),
    (
        "downward",
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"labels": (b'app="web"', 0o644)},
    ),
    (
        "projected",
        {
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {"serviceAccountToken": {"path": "token"}},
                    {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}},
                    {"configMap": {"name": "cm", "items": [{"key": "a", "path": "a"}]}},
                    {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
                ],
            }
        },
        {"token": (b"t0ken", 0o440), "vault": (b"v4ult", 0o440), "a": (b"1", 0o440), "ns": (b"default", 0o440)},
    ),
]


@pytest.mark.parametrize(("volume", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_volume_files(volume: dict[str, Any], expected: dict[str, tuple[bytes, int]]) -> None:
    assert files(volume, labels={"app": "web"}) == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        (
            {"configMap": {"name": "cm", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent config key: z",
        ),
        ({"configMap": {"name": "cm", "items": [{"key": "a", "path": "../a"}]}}, "invalid path '../a'"),
    ],
)
def test_what_is_missing_is_named(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        files(volume)


def test_what_a_volume_needs_is_known_beforehand() -> None:
    volume = CASES[-1][1]
    assert [reference.name for reference in references_of(volume)] == ["cm"]
    assert list(tokens_of(volume)) == [TokenRequest("", 3600), TokenRequest("vault", 600)]


def test_files_appear_through_the_data_link_and_change_at_once(tmp_path: Path) -> None:
    root = tmp_path / "volume"
    assert write_payload(root, {"a": File(b"1"), "x/y": File(b"2", 0o600)}, START)
    assert (root / "a").read_bytes() == b"1"
    assert (root / "x" / "y").stat().st_mode & 0o777 == 0o600
    assert os.readlink(root / "a") == "..data/a"
    before = os.readlink(root / "..data")
    assert not write_payload(root, {"a": File(b"1"), "x/y": File(b"2", 0o600)}, START)
    assert os.readlink(root / "..data") == before
    assert write_payload(root, {"a": File(b"3")}, START)
    assert (root / "a").read_bytes() == b"3"
    assert not (root / "x").exists()
    assert not (root / before).exists()


def test_an_update_that_fails_leaves_the_old_files(tmp_path: Path) -> None:
    root = tmp_path / "volume"
    write_payload(root, {"a": File(b"1")}, START)
    with pytest.raises(OSError):
        write_payload(root, {"a": File(b"2"), "a/b": File(b"3")}, START)
    assert (root / "a").read_bytes() == b"1"
    assert len(list(root.iterdir())) == 3


def test_sub_paths_stay_inside_their_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "dir").mkdir(parents=True)
    (volume / "out").symlink_to("/etc")
    (volume / "in").symlink_to("dir")
    assert inside(volume, "in") == volume / "dir"
    volume.chmod(0o2777)
    assert inside(volume, "new/one").is_dir()
    assert {path.stat().st_mode & 0o7777 for path in (volume / "new", volume / "new/one")} == {0o2777}
    assert not inside(volume, "absent", create=False).exists()
    for path in ("out", "out/passwd", "../x", "/etc", "dir/../../x"):
        with pytest.raises(MountError):
            inside(volume, path)


def test_mounts_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    spec = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/data", "readOnly": True},
            {"name": "v", "mountPath": "logs", "subPathExpr": "$(POD)-x"},
            {"name": "cm", "mountPath": "/cfg"},
        ]
    }
    volumes = {"v": tmp_path / "v", "cm": tmp_path}
    first, second, third = container_mounts(spec, volumes, {"POD": "web"}, frozenset({"cm"}))
    assert (first.read_only, second.read_only, third.read_only) == (True, False, True)
    assert (second.source, second.target) == (tmp_path / "v" / "web-x", "/logs")
    with pytest.raises(MountError, match="missing value for POD"):
        container_mounts(spec, volumes, {}, frozenset())
    with pytest.raises(MountError, match='volume "v" not found'):
        container_mounts(spec, {}, {}, frozenset())


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("", "new", None),
        ("Directory", "new", "is not a directory"),
        ("Directory", "file", "is not a directory"),
        ("Directory", "dir", None),
        ("DirectoryOrCreate", "new", None),
        ("DirectoryOrCreate", "file", "File exists"),
        ("File", "file", None),
        ("File", "dir", "is not a file"),
        ("FileOrCreate", "new", None),
        ("FileOrCreate", "dir", "is not a file"),
        ("Socket", "socket", None),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", "file", "is not a character device"),
        ("BlockDevice", "file", "is not a block device"),
        ("Nonsense", "file", "invalid volume type"),
    ],
)
def test_host_path_types(tmp_path: Path, kind: str, name: str, message: str | None) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        if message is None:
            assert prepare_host_path(tmp_path / name, kind).exists()
        else:
            with pytest.raises(VolumeError, match=message):
                prepare_host_path(tmp_path / name, kind)


def test_host_paths_of_an_agent_in_a_container(tmp_path: Path) -> None:
    """Checked and made where the machine's files are, links followed as there; told as the machine calls them."""
    (tmp_path / "data").mkdir()
    (tmp_path / "var").symlink_to("/data")
    assert prepare_host_path(Path("/var/new"), "DirectoryOrCreate", root=tmp_path) == Path("/var/new")
    assert (tmp_path / "data" / "new").is_dir()
    with pytest.raises(VolumeError, match="/data/none is not a directory"):
        prepare_host_path(Path("/data/none"), "Directory", root=tmp_path)


CLAIM = {"metadata": {"name": "data", "namespace": "ns", "uid": "c"}}


def _persistent(uid: str = "c", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pv"}, "spec": {"claimRef": {"uid": uid}} | spec}


def test_where_a_persistent_volume_is() -> None:
    assert path_of(CLAIM, _persistent(local={"path": "/disk"})) == (Path("/disk"), "Directory")
    assert path_of(CLAIM, _persistent(hostPath={"path": "/data"})) == (Path("/data"), "")
    for other, words in (
        (_persistent("somebody", local={"path": "/disk"}), "another claim"),
        (_persistent(local={"path": "/dev/sdb"}, volumeMode="Block"), "block device"),
        (_persistent(nfs={"server": "s", "path": "/"}), "no plugin"),
    ):
        with pytest.raises(VolumeError, match=words):
            path_of(CLAIM, other)


def test_a_tree_is_shared_with_its_group_and_links_lead_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path / "volume", tmp_path / "outside"
    (root / "below").mkdir(parents=True, mode=0o700)
    outside.write_text("mine")
    outside.chmod(0o600)
    (root / "below" / "file").touch(mode=0o600)
    (root / "link").symlink_to(outside)
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    share_tree(alias, os.getgid())
    assert root.stat().st_mode & 0o2070 == 0o2070
    assert (root / "below").stat().st_mode & 0o7777 == 0o2770
    assert (root / "below" / "file").stat().st_mode & 0o777 == 0o660
    assert outside.stat().st_mode & 0o777 == 0o600
