"""What every data plane offers: the contract that userspace and nftables share (tests/contract/dataplane)."""

from __future__ import annotations

from typing import Protocol

from minikube_py.dataplane.model import Changes, Frontend


class DataPlane(Protocol):
    """Carries routes out. All calls come from one asyncio loop."""

    @property
    def name(self) -> str:
        """As ``--proxy-mode`` calls it."""
        ...

    def start(self) -> None:
        """Begins to serve. Raises OSError where this machine cannot."""
        ...

    def apply(self, changes: Changes) -> None:
        """Carries out changes: when it returns, no new client reaches an endpoint that a change has removed."""
        ...

    def problems(self) -> dict[Frontend, str]:
        """Front ends that should be served and are not, with the reason."""
        ...

    def load(self) -> dict[Frontend, int]:
        """Connections and flows in progress per front end, where the plane can tell."""
        ...

    async def stop(self) -> None:
        """Ends everything; nothing is left behind."""
        ...
