"""What the API server will be asked to audit, looked at before anything is started.

A policy that it cannot read, or a log that it cannot write, would otherwise show as an API server that never comes up.
"""

from __future__ import annotations

from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.importing import import_all


def check_audit(config: ClusterConfig) -> None:
    """Raises ValueError, OSError with a message for the user."""
    if config.audit_policy is not None and config.audit_log is None:
        raise ValueError("an audit policy says what an audit log tells: give --audit-log as well")
    if config.audit_log is not None:
        with config.audit_log.open("ab"):
            pass
    if config.audit_policy is not None:
        (policies,) = import_all(["apiserver.audit.policy"])  # of a part: named, not imported
        policies.Policy.read(config.audit_policy)
