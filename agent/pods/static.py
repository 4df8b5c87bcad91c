"""Static pods: manifests in a directory of the node, run whether an API server is there or not.

Names and what is filled in follow the kubelet (``pkg/kubelet/config/common.go``): the pod's name gets the node's as a
suffix, its uid is a hash of what the file says, and it tolerates every taint.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from agent.filewatch import DirectoryWatcher
from agent.pods.model import SOURCE_ANNOTATION
from minikube_py.aio.clock import Clock, Timer
from minikube_py.api.meta import uid_of
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)
HASH_ANNOTATION = "kubernetes.io/config.hash"
_QUIET_SECONDS = 0.1
_TOLERATE_ALL = {"operator": "Exists", "effect": "NoExecute"}
_SPEC_DEFAULTS: dict[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "securityContext": {},
    "schedulerName": "default-scheduler",
}


class BadManifest(ValueError):
    """A file that does not hold a pod; the message says why."""


def static_pod(text: str, node: str) -> Object:
    """The pod that a manifest (YAML or JSON) describes. Raises BadManifest."""
    try:
        given = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BadManifest(f"not YAML: {error}") from error
    if not isinstance(given, dict) or (given.get("apiVersion"), given.get("kind")) != ("v1", "Pod"):
        raise BadManifest("not a v1 Pod")
    meta, spec = given.get("metadata") or {}, given.get("spec") or {}
    if not meta.get("name") or not spec.get("containers"):
        raise BadManifest("a pod needs a name and containers")
    uid = hashlib.md5(f"host:{node}{text}".encode(), usedforsecurity=False).hexdigest()
    annotations = {**(meta.get("annotations") or {}), HASH_ANNOTATION: uid, SOURCE_ANNOTATION: "file"}
    metadata = {
        **meta,
        "name": f"{meta['name']}-{node}".lower(),
        "namespace": meta.get("namespace") or "default",
        "uid": uid,
        "annotations": annotations,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _complete(spec, node), "status": {}}


def _complete(spec: dict[str, Any], node: str) -> dict[str, Any]:
    full = {**_SPEC_DEFAULTS, **spec, "nodeName": node}
    full["tolerations"] = [*(spec.get("tolerations") or ()), _TOLERATE_ALL]
    for group in ("containers", "initContainers"):
        if group in spec:
            full[group] = [_container(one) for one in spec[group]]
    return full


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    image = str(spec.get("image") or "")
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    defaults: dict[str, Any] = {
        "imagePullPolicy": "Always" if latest else "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    }
    return {**defaults, **spec}


class StaticPodSource:
    """Reads a directory, now and whenever it changes. ``on_change`` gets all its pods, by uid.

    A file that is being written is read when it has been quiet for a moment; one that stops making sense keeps its pod.
    """

    def __init__(
        self, directory: Path, *, node: str, clock: Clock, on_change: Callable[[dict[str, Object]], None]
    ) -> None:
        self._directory = directory
        self._node = node
        self._clock = clock
        self._watcher = DirectoryWatcher(clock=clock)
        self._on_change = on_change
        self._pods: dict[Path, Object] = {}
        self._unwatch: Callable[[], None] = lambda: None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Make the directory and read it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._watcher.start()
        self._unwatch = self._watcher.watch(self._directory, self._read_soon)
        self.read()

    def stop(self) -> None:
        """The pods are left as they are."""
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        self._watcher.stop()

    def read(self) -> None:
        """Tell what the directory holds."""
        pods = {}
        for path in sorted(self._directory.glob("[!.]*")):
            if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
                pod = self._read_one(path)
                if pod is not None:
                    pods[path] = pod
        self._pods = pods
        self._on_change({uid_of(pod): pod for pod in pods.values()})

    def _read_one(self, path: Path) -> Object | None:
        try:
            return static_pod(path.read_text(), self._node)
        except (BadManifest, OSError, UnicodeDecodeError) as error:
            _log.warning("static pod %s: %s", path, error)
            return self._pods.get(path)

    def _read_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(_QUIET_SECONDS, self.read)
