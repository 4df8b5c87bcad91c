"""What a check deep inside a pod spec needs to know of the whole: gathered once, passed down."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiserver.registry.checks import Fields


@dataclass(slots=True, kw_only=True)
class PodFacts:
    """Facts about the pod around a container. ``volumes`` holds the valid volumes by name."""

    spec: Fields
    metadata: Fields | None = None
    is_pod: bool = False
    volumes: dict[str, Fields] = field(default_factory=dict)
    claim_names: frozenset[str] = frozenset()

    @property
    def grace_seconds(self) -> int | None:
        return self.spec.get("terminationGracePeriodSeconds")

    @property
    def restart_policy(self) -> str:
        return str(self.spec.get("restartPolicy") or "")

    @property
    def host_users(self) -> bool:
        return self.spec.get("hostUsers") is not False

    @property
    def os_name(self) -> str | None:
        """spec.os.name, None where spec.os is not set."""
        os = self.spec.get("os")
        return None if os is None else str(os.get("name") or "")
