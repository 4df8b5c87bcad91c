"""Remembers which pod specs were found sound, so that replicas and label changes are not checked all over again.

Checking is a pure function of spec and annotations, and most pods a cluster writes have those of another pod: replicas
of one template, or the same pod with another label or status. A spec that was faulty is always checked again, so that
whoever sent it hears every cause.
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

from apiserver.registry.checks import Errors, Fields
from apiserver.registry.core.pod.validation import validate_pod
from apiserver.registry.core.podspec.warnings import name_warnings, pod_warnings
from minikube_py.api.types import Object

#: How many specs are remembered: some hundred bytes each.
_MOST = 4_096
_DIGEST_BYTES = 16


class PodChecks:
    """``validate_pod`` with a memory of the sound, and warnings with one of what calls for none."""

    def __init__(self) -> None:
        self._sound = _Memory()
        self._quiet = _Memory()
        self._checked: tuple[Object, bytes] | None = None

    def validate(self, pod: Object, errors: Errors) -> None:
        """A Pod's annotations and spec; every cause is added to ``errors``."""
        key = _key(pod)
        self._checked = pod, key
        if key in self._sound:
            return
        before = len(errors)
        validate_pod(pod, errors)
        if len(errors) == before and not _names_matter(pod):
            self._sound.add(key)

    def warn(self, pod: Object, old: Object | None) -> list[str]:
        """What a new Pod is warned of; an update has no warnings."""
        if old is not None:
            return []
        key = self._key_after_check(pod)
        about_spec: list[str] = []
        if key not in self._quiet:
            about_spec = list(pod_warnings(pod["metadata"], pod.get("spec") or {}, ""))
            if not about_spec:
                self._quiet.add(key)
        return name_warnings(pod) + about_spec

    def _key_after_check(self, pod: Object) -> bytes:
        """The key of a pod that was validated last: nothing changes it between the two."""
        checked, self._checked = self._checked, None
        return checked[1] if checked is not None and checked[0] is pod else _key(pod)


class _Memory(dict[bytes, None]):
    """The latest keys."""

    def add(self, key: bytes) -> None:
        if len(self) >= _MOST:
            del self[next(iter(self))]
        self[key] = None


def _key(pod: Object) -> bytes:
    text = orjson.dumps((pod.get("spec"), pod["metadata"].get("annotations")))
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _names_matter(pod: Object) -> bool:
    """Claims made for a pod bear its name: only there do the checks look beyond spec and annotations."""
    volumes: list[Fields] = (pod.get("spec") or {}).get("volumes") or []
    return any("ephemeral" in volume for volume in volumes)
