"""The Pod Security Standards, check by check."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.standards import violations

SAFE = {
    "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def spec(security: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "securityContext": security or {}}], **more}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (spec(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (spec({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            spec({"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}),
            'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
        ),
        (
            {"containers": [{"name": "c", "ports": [{"hostPort": 80}]}]},
            'hostPort (container "c" uses hostPort 80)',
        ),
        (spec(securityContext={"sysctls": [{"name": "kernel.x"}]}), "forbidden sysctls (kernel.x)"),
    ],
)
def test_baseline(found: dict[str, Any], text: str) -> None:
    assert violations("baseline", found) == [text]
    assert violations("privileged", found) == []


def test_restricted_asks_for_all_of_it() -> None:
    assert violations("restricted", spec(SAFE)) == []
    assert violations("restricted", spec()) == [
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")',
    ]
    assert violations("restricted", spec({**SAFE, "runAsUser": 0})) == [
        'runAsUser=0 (container "c" must not set runAsUser=0)'
    ]


def test_what_the_pod_sets_counts_for_its_containers() -> None:
    pod_wide = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {key: value for key, value in SAFE.items() if key not in pod_wide}
    assert violations("restricted", spec(container, securityContext=pod_wide)) == []
