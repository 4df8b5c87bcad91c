"""A bad audit policy is refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from minikube_py.cluster.auditing import check_audit
from minikube_py.config.cluster import ClusterConfig

GOOD = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD, ""),
        ("{kind: Policy}", "not a Policy of audit.k8s.io/v1"),
        (GOOD.replace("Metadata", "Everything"), "level 'Everything' is none of"),
        (GOOD.replace("[{level: Metadata}]", "[Metadata]"), "rules is not a list of rules"),
        ("{", "expected"),
    ],
)
def test_the_policy_is_read(tmp_path: Path, text: str, fault: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    config = ClusterConfig(audit_log=tmp_path / "audit.log", audit_policy=policy)
    if not fault:
        check_audit(config)
        return
    with pytest.raises(ValueError, match=fault) as refused:
        check_audit(config)
    assert str(policy) in str(refused.value)


def test_a_policy_needs_a_log_and_a_log_a_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--audit-log"):
        check_audit(ClusterConfig(audit_policy=tmp_path / "policy.yaml"))
    with pytest.raises(FileNotFoundError):
        check_audit(ClusterConfig(audit_log=tmp_path / "nowhere" / "audit.log"))
