"""The labels on everything this runtime makes; ``down`` and the next agent find it by them."""

from __future__ import annotations

from typing import Final

CLUSTER: Final = "minik.cluster"
NODE: Final = "minik.node"
KIND: Final = "minik.kind"
SANDBOX: Final = "minik.sandbox"
NAMESPACE: Final = "io.kubernetes.pod.namespace"
POD: Final = "io.kubernetes.pod.name"
UID: Final = "io.kubernetes.pod.uid"
CONTAINER: Final = "io.kubernetes.container.name"
ATTEMPT: Final = "minik.attempt"
IMAGE: Final = "minik.image"
LOG: Final = "minik.log"
TERMINATION: Final = "minik.termination-log"
HOST_NETWORK: Final = "minik.host-network"
SHARE_PID: Final = "minik.share-pid"
TTY: Final = "minik.tty"
RESOLVER: Final = "minik.resolv-conf"
