"""Which sysctls a pod may set on this node."""

from __future__ import annotations

from typing import Any

import pytest

from agent.pods.admission import admit
from tests.support.podstates import make_pod

NODE: dict[str, Any] = {"metadata": {"name": "node-1"}, "status": {"allocatable": {"pods": "110"}}}


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("net.ipv4.tcp_syncookies", {}, ""),
        ("net/ipv4/tcp_syncookies", {}, ""),
        ("kernel.msgmax", {}, '"kernel.msgmax" not allowlisted'),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True}, "not allowed with host net enabled"),
        ("kernel.shm_rmid_forced", {"hostIPC": True}, "not allowed with host ipc enabled"),
    ],
)
def test_sysctls(name: str, spec: dict[str, Any], words: str) -> None:
    pod = make_pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)
    refusal = admit(pod, [], NODE)
    assert (refusal is None) == (words == "")
    if refusal is not None:
        assert (refusal.phase, refusal.reason) == ("Failed", "SysctlForbidden")
        assert words in refusal.message
