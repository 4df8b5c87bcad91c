"""Where a cluster keeps its files: one directory that ``minik down`` removes whole."""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

#: A Unix socket's path must fit 108 bytes; this leaves room for the longest file name under it.
_LONGEST_SOCKET_DIRECTORY = 70


def home() -> Path:
    """``$MINIK_HOME``, else ``$XDG_STATE_HOME/minik``, else ``~/.local/state/minik`` (XDG base directories)."""
    if chosen := os.environ.get("MINIK_HOME"):
        return Path(chosen).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "minik"


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """The layout of one cluster's directory. ``uid`` is its owner as the host knows them (inside a user namespace
    everybody is 0)."""

    root: Path
    uid: int = field(default_factory=os.getuid)

    @classmethod
    def of(cls, name: str) -> ClusterPaths:
        return cls(home() / "clusters" / name)

    @property
    def lock(self) -> Path:
        """Held by the supervisor for its whole life (flock). It lies beside the directory, which comes and goes."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def cluster_file(self) -> Path:
        return self.root / "cluster.json"

    @property
    def composed_file(self) -> Path:
        """There while the cluster's parts are containers: such a cluster has no supervisor."""
        return self.root / "composed.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def configs(self) -> Path:
        return self.root / "config"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def journal(self) -> Path:
        """The API server's objects, so that its process may die."""
        return self.root / "journal"

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own kubeconfig; the user's is merged from it."""
        return self.root / "kubeconfig"

    @property
    def sockets(self) -> Path:
        """Unix sockets: inside the directory, or under /tmp where its path is too long for one."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_DIRECTORY:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(f"/tmp/minik-{self.uid}-{digest}")

    @property
    def port_reservations(self) -> Path:
        """Which cluster of this user holds which port of the host; shared by all of them."""
        return Path(f"/tmp/minik-ports-{self.uid}")

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control"

    @property
    def vendor_socket(self) -> Path:
        return self.sockets / "host"

    def machine_socket(self, node: str) -> Path:
        return self.sockets / node

    @property
    def label(self) -> str:
        """What marks the cluster's containers in a Docker engine, which several users may share."""
        return f"{self.root.name}-{zlib.crc32(os.fsencode(self.root)):08x}"

    def pulled_images(self, node: str) -> Path:
        """The agent's records of the images that it has made an engine pull."""
        return self.node_state(node) / "pulled-images"

    def node_state(self, node: str) -> Path:
        return self.root / "nodes" / node


def existing_clusters() -> list[str]:
    """The names of the clusters that have a directory."""
    folder = home() / "clusters"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
