"""Why a container's environment cannot be made."""

from __future__ import annotations


class EnvironmentFault(Exception):
    """The declared environment cannot be had now; the message is the kubelet's (CreateContainerConfigError)."""
