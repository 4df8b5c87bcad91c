"""The Lease by which an API server says that it is there (KEP-1965): who asks how many there are lists these.

Name, labels and times as upstream's (``pkg/controlplane/apiserver``, ``pkg/controlplane/controller/leaderelection``).
"""

from __future__ import annotations

import base64
import hashlib
import logging
import struct
from datetime import datetime

from apiserver.auth.identity import LOOPBACK
from apiserver.routes.catalog import Catalog
from apiserver.routes.writing import Writer, WriteRequest
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import format_micro_time, new_uid
from minikube_py.api.resources import LEASES
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)

RENEW_SECONDS = 10.0
_LEASE_SECONDS = 3600
_NAMESPACE, _SERVER = "kube-system", "kube-apiserver"


def lease_name(hostname: str) -> str:
    """The same for every life of the server on a host."""
    parts = (hostname.encode(), _SERVER.encode())
    digest = hashlib.sha256(b"".join(struct.pack(">H", len(part)) + part for part in parts)).digest()
    return f"apiserver-{base64.b32encode(digest[:16]).decode().rstrip('=').lower()}"


class IdentityLease:
    """Keeps one server's Lease. ``address`` is ``host:port`` for its peers."""

    def __init__(self, *, catalog: Catalog, writer: Writer, hostname: str, address: str) -> None:
        self._served = catalog.of(LEASES)
        self._writer = writer
        self._hostname = hostname
        self._address = address
        self._name = lease_name(hostname)
        self._holder = f"{self._name}_{new_uid()}"

    def renew(self, now: datetime) -> None:
        """Make the Lease, or say once more that its holder lives. A store without room is told of, and tried again."""
        try:
            self._write(now)
        except StatusError as error:
            _log.warning("the server's lease is not renewed: %s", error)

    def _write(self, now: datetime) -> None:
        request = WriteRequest(
            served=self._served, user=LOOPBACK, now=now, namespace=_NAMESPACE, name=self._name, manager=_SERVER
        )
        present = self._served.collection.get(_NAMESPACE, self._name)
        if present is None:
            self._writer.plant(request, self._lease(now))
            return
        lease = self._served.load(present)
        self._writer.replace(request, present, lease | {"spec": self._spec(now)})

    def _lease(self, now: datetime) -> Object:
        return {
            "kind": LEASES.kind,
            "apiVersion": LEASES.api_version,
            "metadata": {
                "name": self._name,
                "namespace": _NAMESPACE,
                "labels": {"apiserver.kubernetes.io/identity": _SERVER, "kubernetes.io/hostname": self._hostname},
                "annotations": {"kubernetes.io/peer-advertise-address": self._address},
            },
            "spec": self._spec(now),
        }

    def _spec(self, now: datetime) -> Object:
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": format_micro_time(now),
        }
