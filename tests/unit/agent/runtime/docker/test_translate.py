"""Pod terms to engine terms and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.runtime.docker import labels, translate
from agent.runtime.protocol import ContainerSpec, ContainerState, ImageInfo, Resources, SandboxSpec, SecurityContext


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
        "app", "i", 3, command=("c",), args=("a",),
        resources=Resources(memory_limit_bytes=7 << 20, cpu_limit_millis=250),
        security=SecurityContext(run_as_group=5, allow_privilege_escalation=False),
    )  # fmt: skip
    body = translate.container_body(spec, sandbox, ImageInfo("sha256:1", (), 0), {}, termination="/t", pid_mode="")
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"]) == ("container:s", "container:s")
    assert (body["Entrypoint"], body["Cmd"], body["User"]) == (["c"], ["a"], "0:5")
    assert (host["Memory"], host["CpuQuota"], host["CpuPeriod"]) == (7 << 20, 25_000, 100_000)
    assert host["SecurityOpt"] == ["seccomp=unconfined", "no-new-privileges"]
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


@pytest.mark.parametrize(
    ("security", "options"),
    [
        (SecurityContext(), ["seccomp=unconfined"]),
        (SecurityContext(seccomp="RuntimeDefault"), []),
        (SecurityContext(seccomp="RuntimeDefault", allow_privilege_escalation=False), ["no-new-privileges"]),
        (SecurityContext(privileged=True, allow_privilege_escalation=False), []),
    ],
)
def test_the_engines_own_seccomp_profile_is_asked_for(security: SecurityContext, options: list[str]) -> None:
    assert translate._security_options(security) == options


def test_limits_at_their_edges() -> None:
    """Less than the kernel takes, more than the machine has; lifted again."""
    assert translate.limits_body(Resources(cpu_limit_millis=5))["CpuQuota"] == 1000
    assert translate.limits_body(Resources(cpu_limit_millis=64_000))["CpuQuota"] == 6_400_000
    assert translate.limits_body(Resources()).items() >= {"Memory": 0, "CpuQuota": 0}.items()
    lifted = translate.changed_limits_body(Resources())
    assert (lifted["Memory"] >> 62, lifted["MemorySwap"] >> 62, lifted["CpuQuota"]) == (1, 1, -1)
    small = translate.changed_limits_body(Resources(1, 2, 3))
    assert small == translate.limits_body(Resources(1, 2, 3))
    assert (small["Memory"], small["CpuShares"]) == (6 << 20, 2)
