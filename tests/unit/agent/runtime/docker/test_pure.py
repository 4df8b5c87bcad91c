"""The pure parts of the Docker runtime."""

from __future__ import annotations

import base64
import io
import json
import struct
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.runtime.docker import labels, pause, translate
from agent.runtime.docker.images import credentials_for
from agent.runtime.docker.logs import last_stamps
from agent.runtime.docker.multiplex import Demultiplexer
from agent.runtime.docker.usage import from_stats
from agent.runtime.protocol import ContainerSpec, ContainerState, ImageInfo, Resources, SandboxSpec, SecurityContext


def _frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">B3xI", kind, len(data)) + data


@pytest.mark.parametrize("step", [1, 3, 7, 100])
@pytest.mark.parametrize("whole", [True, False])
def test_frames_come_apart_however_they_arrive(step: int, whole: bool) -> None:
    data = _frame(1, b"one") + _frame(2, b"error") + _frame(1, b"") + _frame(1, b"two")
    demultiplexer = Demultiplexer(whole=whole)
    found: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    pieces = []
    for start in range(0, len(data), step):
        pieces += demultiplexer.feed(data[start : start + step])
    for stream, piece in pieces:
        found[stream] += piece
    assert found == {"stdout": b"onetwo", "stderr": b"error"}
    if whole:
        assert [piece for _, piece in pieces if piece] == [b"one", b"error", b"two"]


def test_what_is_no_frame() -> None:
    with pytest.raises(ValueError, match="no frame"):
        Demultiplexer(whole=True).feed(b"HTTP/1.1 500")


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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T15:50:04.925663123Z", datetime(2026, 11, 22, 15, 50, 4, 925663, UTC)),
        ("2026-11-22T15:50:04Z", datetime(2026, 11, 22, 15, 50, 4, 0, UTC)),
        ("2026-11-22T15:50:04.5+00:00", datetime(2026, 11, 22, 15, 50, 4, 500000, UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times(text: str, moment: datetime | None) -> None:
    assert translate.parse_time(text) == moment


def test_a_sandbox_carries_the_pods_resolver_and_labels() -> None:
    spec = SandboxSpec(
        "shop", "web", "uid", "web",
        resolv_conf="nameserver 10.96.0.10\nsearch a b\noptions ndots:5 edns0\n",
        etc_hosts="# comment\n127.0.0.1 localhost\n10.0.0.1 db db.local # more\n",
    )  # fmt: skip
    body = translate.sandbox_body(spec, "pause", translate.owner("c", "n"), network="none")
    host = body["HostConfig"]
    assert (host["Dns"], host["DnsSearch"], host["DnsOptions"]) == (["10.96.0.10"], ["a", "b"], ["ndots:5", "edns0"])
    assert host["ExtraHosts"] == ["db:10.0.0.1", "db.local:10.0.0.1"]
    assert body["Labels"][labels.CLUSTER] == "c"
    assert body["Labels"][labels.UID] == "uid"


def test_a_container_joins_its_sandbox() -> None:
    sandbox = {"Id": "s", "Config": {"Labels": {labels.POD: "web"}}, "HostConfig": {}}
    spec = ContainerSpec(
        "app", "i", 3, command=("c",), args=("a",), resources=Resources(memory_limit_bytes=7, cpu_limit_millis=250),
        security=SecurityContext(run_as_group=5, allow_privilege_escalation=False),
    )  # fmt: skip
    body = translate.container_body(spec, sandbox, ImageInfo("sha256:1", (), 0), {}, termination="/t", pid_mode="")
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"]) == ("container:s", "container:s")
    assert (body["Entrypoint"], body["Cmd"], body["User"]) == (["c"], ["a"], "0:5")
    assert (host["Memory"], host["NanoCpus"], host["SecurityOpt"]) == (7, 250_000_000, ["no-new-privileges"])
    assert host["Mounts"][-1] == {"Type": "bind", "Source": "/t", "Target": "/dev/termination-log"}


def _told(status: str, **state: Any) -> dict[str, Any]:
    never = "0001-01-01T00:00:00Z"
    values = {"Status": status, "Running": status == "running", "ExitCode": 0, "Error": "", "Pid": 0,
              "StartedAt": never, "FinishedAt": never, "OOMKilled": False}  # fmt: skip
    return {"Id": "c", "Image": "sha256:1", "Created": "2026-01-01T00:00:00Z", "State": {**values, **state},
            "Config": {"Labels": {}}}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "abandoned", "expected"),
    [
        (_told("created"), False, (ContainerState.CREATED, None, "")),
        (_told("created"), True, (ContainerState.EXITED, 137, "Error")),
        (_told("created", Error="no such file", ExitCode=127), False, (ContainerState.EXITED, 127, "StartError")),
        (_told("running", Pid=7), False, (ContainerState.RUNNING, None, "")),
        (_told("exited"), False, (ContainerState.EXITED, 0, "Completed")),
        (_told("exited", ExitCode=3), False, (ContainerState.EXITED, 3, "Error")),
        (_told("exited", ExitCode=137, OOMKilled=True), False, (ContainerState.EXITED, 137, "OOMKilled")),
    ],
)
def test_container_states(told: dict[str, Any], abandoned: bool, expected: tuple[Any, ...]) -> None:
    status = translate.container_status(told, abandoned=abandoned, last_words="")
    assert (status.state, status.exit_code, status.reason) == expected


def _secret(key: str, document: Any) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(json.dumps(document).encode()).decode()}}


def test_credentials_are_found_by_registry() -> None:
    auth = base64.b64encode(b"ann:secret").decode()
    secrets = [
        {"data": {".dockerconfigjson": "%%%"}},
        _secret(".dockerconfigjson", {"auths": {"https://reg.io:5000/v2/": {"auth": auth}, "other": {"auth": auth}}}),
        _secret(".dockercfg", {"reg.io:5000": {"username": "bob", "password": "pw"}}),
        _secret(".dockerconfigjson", {"auths": {"https://index.docker.io/v1/": {"username": "hub", "password": "x"}}}),
    ]
    found = credentials_for("reg.io:5000/a/b:1", secrets)
    assert [(each["username"], each["password"]) for each in found] == [("ann", "secret"), ("bob", "pw")]
    assert [each["username"] for each in credentials_for("docker.io/library/nginx:1", secrets)] == ["hub"]


def test_the_last_stamps_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_stamps(path) == {}
    path.write_text(
        "2026-01-01T00:00:01.000000000Z stdout F a\n2026-01-01T00:00:02.000000000Z stderr F b\nnonsense\n"
        "2026-01-01T00:00:03.000000000Z stdout F c\n2026-01-01T00:00:09.000000000Z stdout F torn"
    )
    assert last_stamps(path) == {
        "stdout": b"2026-01-01T00:00:03.000000000Z",
        "stderr": b"2026-01-01T00:00:02.000000000Z",
    }


def test_usage_from_both_versions_of_control_groups() -> None:
    cpu = {"cpu_usage": {"total_usage": 5}}
    one = from_stats("c", {"cpu_stats": cpu, "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 40}}})
    two = from_stats("c", {"cpu_stats": cpu, "memory_stats": {"usage": 100, "stats": {"inactive_file": 30}}})
    assert one is not None
    assert two is not None
    assert (one.cpu_nanoseconds, one.memory_bytes, two.memory_bytes) == (5, 60, 70)
    assert from_stats("c", {"memory_stats": {}}) is None
