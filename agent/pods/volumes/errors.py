"""Why a volume cannot be had."""

from __future__ import annotations


class VolumeError(Exception):
    """A volume cannot be set up (now); the message is what the FailedMount event says."""


class MountError(Exception):
    """A volume that is there cannot be mounted into a container as asked; shown as CreateContainerConfigError."""
