"""ServiceAccount: every pod runs as one, and has its token mounted unless it is told not to.

Follows ``plugin/pkg/admission/serviceaccount``. A new namespace gets its ``default`` account in the same step, so that
the first pod in it is never too early; upstream makes early pods wait for its controller instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.refusals import refused
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import PODS, SERVICEACCOUNTS
from minikube_py.api.types import Object

MIRROR = "kubernetes.io/config.mirror"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
#: A little over an hour, by which kubelets know tokens that may be refreshed late (upstream's number).
TOKEN_SECONDS = 3607
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class ServiceAccountAdmission(PassivePlugin):
    """Fills in a new pod's account, pull secrets and token volume."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Change a new pod. Raises Forbidden where its account is not there."""
        pod = attributes.obj
        if attributes.resource is not PODS or attributes.operation != "CREATE" or attributes.subresource or not pod:
            return ()
        if MIRROR in annotations_of(pod):
            return ()
        spec = pod["spec"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = attributes.reader.get(SERVICEACCOUNTS, attributes.namespace, name)
        if account is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise refused(PODS, name_of(pod), why)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(entry) for entry in account["imagePullSecrets"]]
        if wants_token(spec, account):
            mount_token(spec, VOLUME_PREFIX + _suffix(account["metadata"]["uid"]))
        return ()


def wants_token(spec: Object, account: Object) -> bool:
    """Whether the token is to be mounted: as the pod says, else as its account says, else yes."""
    for holder in (spec, account):
        asked = holder.get("automountServiceAccountToken")
        if asked is not None:
            return bool(asked)
    return True


@lru_cache(maxsize=1024)
def _suffix(uid: str) -> str:
    """Five characters that are an account's own. (Upstream draws them: equal ones keep the specs of replicas equal.)"""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in sha256(uid.encode()).digest()[:5])


def mount_token(spec: Object, fresh: str) -> None:
    """Mount the token into every container that has nothing of its own in its place, from a volume called ``fresh``."""
    volumes = spec.setdefault("volumes", [])
    present = next((volume["name"] for volume in volumes if volume["name"].startswith(VOLUME_PREFIX)), None)
    name = present or fresh
    needed = False
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        mounts = container.setdefault("volumeMounts", [])
        if not any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
            needed = True
    if needed and present is None:
        volumes.append(token_volume(name))
    if not volumes:
        del spec["volumes"]


def token_volume(name: str) -> dict[str, Any]:
    """The projected volume with token, CA and namespace, in its wire form."""
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
            "defaultMode": 0o644,
        },
    }
