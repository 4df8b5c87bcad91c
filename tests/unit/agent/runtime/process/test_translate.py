"""Pod terms to machine terms."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest

from agent.images.builtin import builtin_images
from agent.images.model import LocalImage
from agent.runtime.process import translate
from agent.runtime.protocol import ContainerSpec, ImageInfo, SandboxSpec, SecurityContext

ECHO, HOST = builtin_images()
OWN = LocalImage(ImageInfo("sha256:1", ("own",), 0, entrypoint=("/app",), command=("serve",)), rootfs="/r")


@pytest.mark.parametrize(
    ("image", "command", "args", "expected"),
    [
        (OWN, (), (), ["/app", "serve"]),
        (OWN, (), ("x",), ["/app", "x"]),
        (OWN, ("c",), (), ["c"]),
        (OWN, ("c",), ("x",), ["c", "x"]),
        (HOST, (), (), ["/bin/sh"]),
        (ECHO, (), ("ignored",), []),
        (ECHO, ("sh",), (), ["sh"]),
    ],
)
def test_command_lines(image: LocalImage, command: tuple[str, ...], args: tuple[str, ...], expected: list[str]) -> None:
    spec = ContainerSpec("app", "i", 0, command=command, args=args)
    assert translate.command_line(spec, image) == expected


def test_ports_are_this_containers_own() -> None:
    pod = {"spec": {"containers": [{"name": "other", "ports": [{"containerPort": 1}]},
                                   {"name": "app", "ports": [{"containerPort": 53, "protocol": "UDP"},
                                                             {"containerPort": 80}]}]}}  # fmt: skip
    assert translate.ports(ContainerSpec("app", "i", 0, pod=pod)) == [("UDP", 53), ("TCP", 80)]
    assert translate.ports(ContainerSpec("ghost", "i", 0, pod=pod)) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGTERM", 15), ("INT", 2), ("9", 9), ("sigquit", 3), ("nonsense", 15), ("RTMIN+3", int(signal.SIGRTMIN) + 3)],
)
def test_stop_signals(name: str, number: int) -> None:
    assert translate.signal_number(name) == number


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (SecurityContext(), False),
        (SecurityContext(allow_privilege_escalation=False), True),
        (SecurityContext(allow_privilege_escalation=False, privileged=True), False),
    ],
)
def test_no_new_privileges(security: SecurityContext, expected: bool) -> None:
    config = translate.container_config(
        ContainerSpec("app", "i", 0, security=security), OWN, container_id="c", sandbox_id="s", node_name="n",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert config.user.no_new_privileges is expected


def test_a_shared_process_namespace_yields_to_the_nodes() -> None:
    spec = SandboxSpec("ns", "n", "u", "h", host_pid=True, share_process_namespace=True)
    assert not translate.sandbox_config(spec, sandbox_id="s", now=datetime(2026, 1, 1, tzinfo=UTC)).share_pid
